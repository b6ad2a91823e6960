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

/// Drain attempts for one canister. A drain that succeeds leaves less than [`worth`].
pub(crate) const MAX_TRIES: u32 = 3;

/// The least balance in cycles that is worth a drain on a subnet where a new canister costs
/// `creation_fee`: 100 B on 13 nodes. A drain leaves less.
///
/// The platform charges some 82 B in advance for a message, its callback and the longest answer,
/// and refunds the unused part afterwards. That refund is what stays in the canister. All prices
/// grow with the number of nodes as the creation fee does, which is 500 B on 13 nodes.
pub(crate) fn worth(creation_fee: u128) -> u128 {
    (creation_fee / 5).max(1_000_000_000)
}

/// The least balance in cycles that pays for the install of the drain: 400 B on 13 nodes. The
/// platform charges 300 B in advance for an install; see [`worth`].
pub(crate) fn price(creation_fee: u128) -> u128 {
    creation_fee / 5 * 4
}

/// The cycles that root lends to a canister with this balance for the install of the drain.
///
/// A loan is 4 B at least, on 13 nodes. If the reply to a deposit is lost, the canister's next
/// balance shows whether it arrived, and what the canister burns meanwhile must not hide that.
pub(crate) fn loan(balance: u128, creation_fee: u128) -> u128 {
    let price = price(creation_fee);
    match price.saturating_sub(balance) {
        0 => 0,
        lacking => lacking.max(price / 100),
    }
}

/// The module's hash.
pub(crate) fn hash() -> Hash {
    sha256(WASM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amounts_follow_the_prices_of_the_subnet() {
        const B: u128 = 1_000_000_000;
        assert_eq!((worth(500 * B), price(500 * B)), (100 * B, 400 * B));
        assert_eq!((worth(0), price(0)), (B, 0), "on a free subnet");
    }

    #[test]
    fn a_loan_is_never_so_small_that_a_canister_burns_it_unnoticed() {
        const B: u128 = 1_000_000_000;
        let loans = [0, 300, 399, 400, 500].map(|balance| loan(balance * B, 500 * B) / B);
        assert_eq!(loans, [400, 100, 4, 0, 0]);
        assert_eq!(loan(400 * B - 1, 500 * B), 4 * B);
    }

    #[test]
    fn the_module_is_built_from_its_source() {
        let built = wat::parse_str(include_str!("drain.wat")).unwrap();
        assert!(built == WASM, "rebuild drain.wasm from drain.wat");
    }
}
