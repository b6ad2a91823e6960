//! The subnets of an instance as the root subnet certifies them.

use std::sync::{Arc, Mutex, PoisonError};

use candid::Principal;
use ic_certification::{Certificate, Delegation};

use crate::{
    certification::{
        keys::{NodeKey, SubnetKeys},
        tree::{Hash, Node, Wanted, cbor, natural},
    },
    subnets::{SubnetInfo, SubnetKind, nodes},
};

/// How often the root subnet signs the list of subnets, in nanoseconds.
const DELEGATION: u64 = 60_000_000_000;

/// The subnets of an instance, as the root subnet certifies them.
pub(crate) struct Topology {
    /// The number of the root subnet.
    root: usize,
    subnets: Vec<Certified>,
    /// The last time that the root subnet certified, and its signature.
    signed: Mutex<Option<(u64, [u8; 48])>>,
}

/// The certified facts about a subnet.
struct Certified {
    id: Principal,
    kind: &'static str,
    keys: Arc<SubnetKeys>,
    /// The first canister id, and all ranges in CBOR.
    first: Vec<u8>,
    ranges: Vec<u8>,
    deleted: bool,
}

impl Topology {
    /// `infos` lists all subnets; `root` is the number of one of them.
    pub(crate) fn new(infos: &[SubnetInfo], root: usize) -> Self {
        let certified = |(index, info): (usize, &SubnetInfo)| {
            let mut ranges = info.canister_ranges.clone();
            ranges.sort();
            Certified {
                id: info.id,
                kind: kind(info.kind),
                keys: SubnetKeys::of(index, nodes(info.kind)),
                first: ranges
                    .first()
                    .map_or(Vec::new(), |(first, _)| first.as_slice().to_vec()),
                ranges: cbor(&ranges),
                deleted: info.deleted,
            }
        };
        Self {
            root,
            subnets: infos.iter().enumerate().map(certified).collect(),
            signed: Mutex::new(None),
        }
    }

    /// DER.
    pub(crate) fn root_key(&self) -> &[u8] {
        self.public_key(self.root)
    }

    /// The id of the root subnet.
    pub(crate) fn root_id(&self) -> Principal {
        self.subnets[self.root].id
    }

    /// The key of the subnet with this number, DER.
    pub(crate) fn public_key(&self, subnet: usize) -> &[u8] {
        &self.subnets[subnet].keys.public
    }

    /// Signs the root hash of the state tree of a subnet.
    pub(super) fn sign(&self, subnet: usize, root: &Hash) -> [u8; 48] {
        self.subnets[subnet].keys.sign(root)
    }

    /// The key of the first node of a subnet.
    pub(crate) fn first_node(&self, subnet: usize) -> Option<&NodeKey> {
        self.subnets[subnet].keys.nodes.first()
    }

    /// The subnets that are not deleted, with their numbers.
    fn present(&self) -> impl Iterator<Item = (usize, &Certified)> {
        let all = self.subnets.iter().enumerate();
        all.filter(|(_, subnet)| !subnet.deleted)
    }

    /// The node at `/subnet` in the tree of a subnet, given by its number and its metrics. A subnet
    /// lists its own nodes and metrics only.
    pub(super) fn subnets(&self, own: Option<(usize, Vec<u8>)>) -> Node {
        Node::labels(self.present().map(|(index, subnet)| {
            let mut nodes = vec![
                ("canister_ranges", Node::Leaf(subnet.ranges.clone())),
                ("public_key", Node::Leaf(subnet.keys.public.clone())),
                ("type", Node::Leaf(subnet.kind.into())),
            ];
            if let Some((_, metrics)) = own.as_ref().filter(|(own, _)| *own == index) {
                nodes.push(("metrics", Node::Leaf(metrics.clone())));
                let keys = subnet.keys.nodes.iter().map(|node| {
                    let key = Node::Leaf(node.public.clone());
                    (
                        node.id().as_slice().to_vec(),
                        Node::labels([("public_key", key)]),
                    )
                });
                nodes.push(("node", Node::labels(keys)));
            }
            (subnet.id.as_slice(), Node::labels(nodes))
        }))
    }

    /// The node at `/canister_ranges`.
    pub(super) fn ranges(&self) -> Node {
        Node::labels(self.present().map(|(_, subnet)| {
            let ranges = Node::Leaf(subnet.ranges.clone());
            let shard = Node::labels([(subnet.first.as_slice(), ranges)]);
            (subnet.id.as_slice(), shard)
        }))
    }

    /// The delegation by which the root subnet certifies the key of another subnet. Its time is the
    /// last full minute. The canister ranges are in both places where old and new agents read them.
    pub(super) fn delegation(&self, subnet: usize, now: u64) -> Option<Delegation> {
        if subnet == self.root {
            return None;
        }
        let id = self.subnets[subnet].id;
        let time = now - now % DELEGATION;
        let tree = Node::labels([
            ("canister_ranges", self.ranges()),
            ("subnet", self.subnets(None)),
            ("time", Node::Leaf(natural(time))),
        ]);
        let mut wanted = Wanted::default();
        wanted.add(["time"]);
        wanted.add([b"canister_ranges", id.as_slice()]);
        wanted.add([b"subnet", id.as_slice()]);
        let signature = {
            let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
            match *signed {
                Some((at, signature)) if at == time => signature,
                _ => {
                    let signature = self.subnets[self.root].keys.sign(&tree.digest());
                    *signed = Some((time, signature));
                    signature
                }
            }
        };
        Some(Delegation {
            subnet_id: id.as_slice().to_vec(),
            certificate: cbor(&Certificate {
                tree: tree.reveal(&wanted),
                signature: signature.to_vec(),
                delegation: None,
            }),
        })
    }
}

/// The platform's name of a kind of subnet.
fn kind(kind: SubnetKind) -> &'static str {
    use SubnetKind::{
        Application, Bitcoin, CloudEngine, Fiduciary, II, NNS, SNS, System, TestThresholdKeys,
        VerifiedApplication,
    };
    match kind {
        Application | Fiduciary | SNS => "application",
        VerifiedApplication => "verified_application",
        CloudEngine => "cloud_engine",
        Bitcoin | II | NNS | System | TestThresholdKeys => "system",
    }
}
