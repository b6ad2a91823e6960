//! The module that sends a canister's cycles to root before the canister is deleted.
//!
//! Its only method, [`METHOD`], calls `deposit_cycles` with the bytes it was called with (root's own id, in Candid) and
//! with everything that the canister can spend. `drain.wat` beside this file is its source.

use crate::operation::{Hash, sha256};

/// The module.
pub(crate) const WASM: &[u8] = include_bytes!("drain.wasm");

/// The method that drains. Only controllers may call it.
pub(crate) const METHOD: &str = "drain";

/// Below this a canister is not worth draining: 100 B cycles. The platform takes 300 B in advance for an install
/// and some 80 B for a message with its callback, and gives back what was not used only afterwards.
pub(crate) const WORTH: u128 = 100_000_000_000;

/// A canister that holds less can't pay for the install of this module: 400 B cycles, see [`WORTH`].
pub(crate) const PRICE: u128 = 400_000_000_000;

/// Drains of one canister at most. One that works leaves less than [`WORTH`].
pub(crate) const MAX_TRIES: u32 = 3;

pub(crate) fn hash() -> Hash {
    sha256(WASM)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_module_is_what_its_source_says() {
        let built = wat::parse_str(include_str!("drain.wat")).unwrap();
        assert!(built == super::WASM, "rebuild drain.wasm from drain.wat");
    }
}
