//! The kinds of subnets, and the canister ids that each kind hosts.

use std::collections::BTreeSet;

use candid::Principal;
use serde::{Deserialize, Serialize};

/// Nodes per subnet. The prices are those of a subnet of this size.
pub(crate) const NODES: u32 = 13;

/// The kinds of subnets, named as in `pocket_ic::common::rest::SubnetKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum SubnetKind {
    Application,
    Bitcoin,
    CloudEngine,
    Fiduciary,
    II,
    NNS,
    SNS,
    System,
    TestThresholdKeys,
    VerifiedApplication,
}

/// One subnet.
#[derive(Clone, Debug, Hash)]
pub struct SubnetInfo {
    /// Its principal.
    pub id: Principal,
    /// Its kind.
    pub kind: SubnetKind,
    /// Its nodes.
    pub nodes: Vec<Principal>,
    /// The canister ids it may host: first and last of each range.
    pub canister_ranges: Vec<(Principal, Principal)>,
    /// Who manages all of its canisters. Only subnets that charge nothing can have admins.
    pub admins: BTreeSet<Principal>,
    /// Whether it is deleted. A deleted subnet keeps its number.
    pub(crate) deleted: bool,
}

impl SubnetInfo {
    /// The subnet with this number, with the ids that it has on the real network and those that it
    /// gives to new canisters.
    pub(crate) fn new(
        index: usize,
        id: Principal,
        kind: SubnetKind,
        nodes: Vec<Principal>,
    ) -> Self {
        let mut ranges = mainnet_ranges(kind);
        ranges.push(allocation(index as u64));
        Self {
            id,
            kind,
            nodes,
            canister_ranges: ranges
                .into_iter()
                .map(|(first, last)| (canister_id(first), canister_id(last)))
                .collect(),
            admins: BTreeSet::new(),
            deleted: false,
        }
    }
}

/// The node that makes the block of a round on one subnet.
#[derive(Clone, Debug)]
pub struct Blockmakers {
    /// The subnet.
    pub subnet: Principal,
    /// The node that makes the block.
    pub blockmaker: Principal,
    /// Nodes that should have made the block before, and failed.
    pub failed: Vec<Principal>,
}

pub(crate) fn is_named(kind: SubnetKind) -> bool {
    !mainnet_ranges(kind).is_empty() || kind == SubnetKind::TestThresholdKeys
}

/// The canister ids that a named subnet has on the real network, by number.
fn mainnet_ranges(kind: SubnetKind) -> Vec<(u64, u64)> {
    match kind {
        SubnetKind::NNS => vec![(0, 6), (8, 0xf_ffff)],
        SubnetKind::II => vec![(7, 7), (0x210_0000, 0x21f_ffff)],
        SubnetKind::Bitcoin => vec![(0x1a0_0000, 0x1bf_ffff)],
        SubnetKind::SNS => vec![(0x200_0000, 0x20f_ffff)],
        SubnetKind::Fiduciary => vec![(0x230_0000, 0x23f_ffff)],
        _ => Vec::new(),
    }
}

/// The canister ids that a subnet gives to new canisters, by number: as on PocketIC, far away from
/// those of the network.
pub(crate) fn allocation(subnet: u64) -> (u64, u64) {
    let first = 0xffff_ffff_ffe0_0000 - subnet * 0x20_0000;
    (first, first + 0xf_ffff)
}

pub(crate) fn canister_id(number: u64) -> Principal {
    let mut bytes = [1; 10];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Principal::from_slice(&bytes)
}

/// The number of a canister id. `None`: the principal is no canister id.
pub(crate) fn canister_number(id: Principal) -> Option<u64> {
    let (number, tag) = id.as_slice().split_first_chunk()?;
    (tag == [1, 1]).then(|| u64::from_be_bytes(*number))
}
