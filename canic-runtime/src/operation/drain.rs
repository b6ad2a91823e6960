//! The drain: a Wasm module that sends a canister's cycles to root before root deletes the
//! canister.
//!
//! Its only method is [`METHOD`]. The method calls `deposit_cycles` with its own argument, which is
//! root's id in Candid, and with all cycles that the canister can spend. `drain.wat` beside this
//! file is its source.

use crate::operation::{Hash, sha256};

/// The module's code.
pub(crate) const WASM: &[u8] = include_bytes!("drain.wasm");

/// The method that drains. Only controllers may call it.
pub(crate) const METHOD: &str = "drain";

/// The least balance in cycles that root drains: 100 B. The platform charges 300 B in advance for
/// an install and about 80 B for a message with its callback, and refunds the unused part
/// afterwards.
pub(crate) const WORTH: u128 = 100_000_000_000;

/// The least balance in cycles that pays for the install of this module: 400 B, see [`WORTH`].
pub(crate) const PRICE: u128 = 400_000_000_000;

/// Drain attempts for one canister. A drain that succeeds leaves less than [`WORTH`].
pub(crate) const MAX_TRIES: u32 = 3;

/// The module's hash.
pub(crate) fn hash() -> Hash {
    sha256(WASM)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_module_is_built_from_its_source() {
        let built = wat::parse_str(include_str!("drain.wat")).unwrap();
        assert!(built == super::WASM, "rebuild drain.wasm from drain.wat");
    }
}
