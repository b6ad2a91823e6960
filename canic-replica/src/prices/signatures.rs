//! The fees for signatures with threshold keys, and for keys derived from them, in cycles.
//!
//! The nodes of the subnet that holds the key make the signature, so their number counts, wherever
//! the caller is. System subnets charge the fee, too. The figure is the platform's
//! (dfinity/ic `rs/config/src/subnet_config.rs`).

use std::collections::BTreeMap;

use crate::{subnets::SubnetKind, threshold::key_names};

/// The fee on a subnet of [`REFERENCE`] nodes, for each algorithm.
const FEE: u128 = 10_000_000_000;
/// The number of nodes that the platform's price list is for.
const REFERENCE: u128 = 13;

/// The fee on a subnet with so many nodes.
pub(crate) fn fee(nodes: usize) -> u128 {
    FEE * nodes as u128 / REFERENCE
}

/// The fees by the names of the keys, on a network of such subnets with so many nodes. Calls go to
/// the first subnet that holds a key.
pub(crate) fn fees(
    subnets: impl Iterator<Item = (SubnetKind, usize)>,
) -> BTreeMap<&'static str, u128> {
    let mut fees = BTreeMap::new();
    for (kind, nodes) in subnets {
        for name in key_names(kind) {
            fees.entry(*name).or_insert(fee(nodes));
        }
    }
    fees
}

#[cfg(test)]
mod tests {
    use super::fee;

    /// The figures of the documentation (dfinity/developer-docs `docs/references/cycle-costs.md`,
    /// section "Threshold cryptography").
    #[test]
    fn the_fee_grows_with_the_nodes_of_the_keys_subnet() {
        assert_eq!((fee(13), fee(34)), (10_000_000_000, 26_153_846_153));
    }
}
