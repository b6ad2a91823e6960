//! The address type of a module: the width of its memory's addresses.

/// The width of the addresses of a module's memory. Pointers and sizes of the system API have this
/// width, too. A module without memory counts as 32-bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AddressType {
    /// Wasm32.
    #[default]
    I32,
    /// Wasm64.
    I64,
}

impl AddressType {
    /// The platform's limit of a heap, in bytes: `MAX_WASM_MEMORY_IN_BYTES` and
    /// `MAX_WASM64_MEMORY_IN_BYTES` of `dfinity/ic` rs/config/src/embedders.rs.
    pub(crate) const fn max_heap(self) -> u64 {
        match self {
            Self::I32 => 4 << 30,
            Self::I64 => 6 << 30,
        }
    }

    /// How many times the price of a changed page of stable memory a changed page of the heap
    /// costs: `WASM64_DIRTY_PAGE_OVERHEAD_MULTIPLIER` of `dfinity/ic` rs/config/src/embedders.rs.
    pub(crate) const fn dirty_page_factor(self) -> u64 {
        match self {
            Self::I32 => 1,
            Self::I64 => 4,
        }
    }

    /// How many times the price of an instruction an instruction costs, in cycles:
    /// `WASM64_INSTRUCTION_COST_OVERHEAD` of `dfinity/ic` rs/config/src/subnet_config.rs.
    pub(crate) const fn instruction_factor(self) -> u128 {
        match self {
            Self::I32 => 1,
            Self::I64 => 2,
        }
    }
}
