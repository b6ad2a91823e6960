//! The kinds of subnets, and the canister ids that each kind hosts.

mod mainnet;

use std::collections::BTreeSet;

use candid::Principal;
use serde::{Deserialize, Serialize};

/// The nodes of a subnet, by its kind, as PocketIC has them (`dfinity/ic`,
/// `rs/pocket_ic_server/src/pocket_ic.rs`, `subnet_size`).
pub(crate) fn nodes(kind: SubnetKind) -> u32 {
    match kind {
        SubnetKind::Fiduciary | SubnetKind::II | SubnetKind::SNS => 34,
        SubnetKind::NNS => 40,
        SubnetKind::Application
        | SubnetKind::Bitcoin
        | SubnetKind::CloudEngine
        | SubnetKind::System
        | SubnetKind::TestThresholdKeys
        | SubnetKind::VerifiedApplication => 13,
    }
}

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

/// The options of a subnet beyond its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SubnetOptions {
    /// Whether an application subnet charges nothing. System subnets and cloud engines never do.
    pub is_free: bool,
    /// Whether a message may take 99,999,999,999,999 instructions, for the benchmarks of canisters.
    pub is_benchmarking: bool,
    /// Who manages all canisters of the subnet. Only cloud engines and application subnets that
    /// charge nothing can have admins.
    pub admins: BTreeSet<Principal>,
}

/// One subnet.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
pub struct SubnetInfo {
    /// Its principal.
    pub id: Principal,
    /// Its kind.
    pub kind: SubnetKind,
    /// Its options.
    pub options: SubnetOptions,
    /// Its nodes.
    pub nodes: Vec<Principal>,
    /// The canister ids it may host: first and last of each range.
    pub canister_ranges: Vec<(Principal, Principal)>,
    /// Whether it is deleted. A deleted subnet keeps its number.
    pub(crate) deleted: bool,
}

impl SubnetInfo {
    /// The subnet with this number, with the ids of its block on the mainnet, if it has one, and
    /// those that it gives to new canisters.
    pub(crate) fn new(
        index: usize,
        id: Principal,
        kind: SubnetKind,
        options: SubnetOptions,
        block: Option<u64>,
        nodes: Vec<Principal>,
    ) -> Self {
        let mut ranges = block.map_or(Vec::new(), mainnet::ranges);
        ranges.push(allocation(index as u64));
        Self {
            id,
            kind,
            options,
            nodes,
            canister_ranges: ranges
                .into_iter()
                .map(|(first, last)| (canister_id(first), canister_id(last)))
                .collect(),
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

/// The named subnets: their kinds, and their blocks of ids on the mainnet.
const NAMED: [(SubnetKind, u64); 6] = [
    (SubnetKind::NNS, 0),
    (SubnetKind::Bitcoin, 0x1a),
    (SubnetKind::TestThresholdKeys, 0x1d),
    (SubnetKind::SNS, 0x20),
    (SubnetKind::II, 0x21),
    (SubnetKind::Fiduciary, 0x23),
];

/// The block of a named subnet on the mainnet.
pub(crate) fn block_of_kind(kind: SubnetKind) -> Option<u64> {
    let named = NAMED.iter().find(|(named, _)| *named == kind);
    named.map(|(_, block)| *block)
}

/// The block and the kind of the subnet that hosts a canister on the mainnet. PocketIC sees an
/// application subnet where it has no name for the subnet.
pub(crate) fn mainnet_subnet_of(canister: Principal) -> Option<(u64, SubnetKind)> {
    let block = mainnet::block_of_canister(canister_number(canister)?)?;
    let named = NAMED.iter().find(|(_, named)| *named == block);
    Some((
        block,
        named.map_or(SubnetKind::Application, |(kind, _)| *kind),
    ))
}

/// Whether a subnet hosts the network's own canisters.
pub(crate) fn is_system(kind: SubnetKind) -> bool {
    use SubnetKind::{
        Application, Bitcoin, CloudEngine, Fiduciary, II, NNS, SNS, System, TestThresholdKeys,
        VerifiedApplication,
    };
    match kind {
        Bitcoin | II | NNS | System | TestThresholdKeys => true,
        Application | CloudEngine | Fiduciary | SNS | VerifiedApplication => false,
    }
}

/// Whether an instance has at most one subnet of this kind.
pub(crate) fn is_named(kind: SubnetKind) -> bool {
    block_of_kind(kind).is_some()
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
