//! The certified state: after a round, each subnet signs the root of a tree of what it lets the world know, with a key
//! that the root subnet vouches for. A tree is built and signed when the first certificate of it is asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use candid::Principal;
use ic_certification::{Certificate, Delegation, HashTree, pruned};
use serde::Serialize;

use super::keys::SubnetKeys;
use super::tree::{Hash, Labels, Node, Wanted};
use crate::canister::Canister;
use crate::replica::{Replica, SubnetInfo};
use crate::{EffectivePrincipal, IngressStatus, MessageId, SubnetKind};

/// How often the root subnet signs who the subnets are, in nanoseconds.
const DELEGATION: u64 = 60_000_000_000;

/// The subnets of an instance, as the root subnet certifies them.
pub(crate) struct Topology {
    /// The number of the root subnet.
    root: usize,
    subnets: Vec<Certified>,
    /// The time that the root subnet certified last, and how it signed.
    signed: Mutex<Option<(u64, [u8; 48])>>,
}

/// What is certified about a subnet.
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
                keys: SubnetKeys::of(index),
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

    /// The key of the subnet with this number, DER.
    pub(crate) fn public_key(&self, subnet: usize) -> &[u8] {
        &self.subnets[subnet].keys.public
    }

    /// The subnets that there still are, with their numbers.
    fn present(&self) -> impl Iterator<Item = (usize, &Certified)> {
        let all = self.subnets.iter().enumerate();
        all.filter(|(_, subnet)| !subnet.deleted)
    }

    /// What is at `/subnet` in the tree of subnet number `own`, which alone lists its nodes.
    fn subnets(&self, own: Option<usize>) -> Node {
        Node::labels(self.present().map(|(index, subnet)| {
            let mut nodes = vec![
                ("canister_ranges", Node::Leaf(subnet.ranges.clone())),
                ("public_key", Node::Leaf(subnet.keys.public.clone())),
                ("type", Node::Leaf(subnet.kind.into())),
            ];
            if own == Some(index) {
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

    /// What is at `/canister_ranges`.
    fn ranges(&self) -> Node {
        Node::labels(self.present().map(|(_, subnet)| {
            let ranges = Node::Leaf(subnet.ranges.clone());
            let shard = Node::labels([(subnet.first.as_slice(), ranges)]);
            (subnet.id.as_slice(), shard)
        }))
    }

    /// By what the root subnet vouches for the key of another. It is as old as the last full minute. The canister ids are
    /// in both places where agents, old and new, look for them.
    fn delegation(&self, subnet: usize, now: u64) -> Option<Delegation> {
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

/// What a subnet certifies after a round.
pub(crate) struct State {
    time: u64,
    subnet: usize,
    topology: Arc<Topology>,
    subnets: Node,
    ranges: Node,
    canisters: Labels,
    requests: Labels,
    root: Labels,
    signature: OnceLock<[u8; 48]>,
}

impl State {
    fn new(replica: &Replica, subnet: usize) -> Self {
        let topology = Arc::clone(&replica.topology);
        let (subnets, ranges) = (topology.subnets(Some(subnet)), topology.ranges());
        let canisters = replica
            .canisters
            .iter()
            .filter(|(_, canister)| canister.subnet == subnet)
            .map(|(id, state)| (id.as_slice().to_vec(), canister(state, None).digest()));
        let canisters = Labels::new(canisters.collect());
        let requests = Labels::new(replica.certified_requests(subnet));
        let time = replica.certified_time;
        // In ascending order.
        let root = Labels::new(vec![
            (b"canister".to_vec(), canisters.digest()),
            (b"canister_ranges".to_vec(), ranges.digest()),
            (b"request_status".to_vec(), requests.digest()),
            (b"subnet".to_vec(), subnets.digest()),
            (b"time".to_vec(), Node::Leaf(natural(time)).digest()),
        ]);
        Self {
            time,
            subnet,
            topology,
            subnets,
            ranges,
            canisters,
            requests,
            root,
            signature: OnceLock::new(),
        }
    }

    /// A certificate, in CBOR, of what is `wanted`, and of the time. `canister` and `request` answer what is below a label
    /// of `/canister` and `/request_status`; what they do not know stays hidden.
    pub(crate) fn certificate(
        &self,
        wanted: &mut Wanted,
        canister: impl Fn(&[u8], &Wanted) -> Option<Node>,
        request: impl Fn(&[u8]) -> Option<Node>,
    ) -> Vec<u8> {
        wanted.add(["time"]);
        let open = |labels: &Labels, index, node: Option<Node>, wanted: &Wanted| -> HashTree {
            let digest = labels.digest_below(index);
            match node {
                Some(node) => {
                    debug_assert_eq!(node.digest(), digest, "what is certified has changed");
                    node.reveal(wanted)
                }
                None => pruned(digest),
            }
        };
        let tree = self.root.reveal(wanted, |index, wanted| match index {
            0 => self.canisters.reveal(wanted, |index, wanted| {
                let node = canister(self.canisters.label(index), wanted);
                open(&self.canisters, index, node, wanted)
            }),
            1 => self.ranges.reveal(wanted),
            2 => self.requests.reveal(wanted, |index, wanted| {
                let node = request(self.requests.label(index));
                open(&self.requests, index, node, wanted)
            }),
            3 => self.subnets.reveal(wanted),
            _ => Node::Leaf(natural(self.time)).reveal(wanted),
        });
        let keys = &self.topology.subnets[self.subnet].keys;
        let signature = self
            .signature
            .get_or_init(|| keys.sign(&self.root.digest()));
        cbor(&Certificate {
            tree,
            signature: signature.to_vec(),
            delegation: self.topology.delegation(self.subnet, self.time),
        })
    }
}

/// The certificate of a canister's certified data, made when a query asks for it.
pub(crate) struct DataCertificate {
    state: Arc<State>,
    canister: Arc<Canister>,
    bytes: OnceLock<Vec<u8>>,
}

impl DataCertificate {
    /// The certificate, in CBOR.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get_or_init(|| {
            let id = self.canister.id;
            let mut wanted = Wanted::default();
            wanted.add([b"canister", id.as_slice(), b"certified_data"]);
            let own = |label: &[u8], wanted: &Wanted| {
                (label == id.as_slice()).then(|| canister(&self.canister, Some(wanted)))
            };
            self.state.certificate(&mut wanted, own, |_| None)
        })
    }
}

impl Replica {
    /// What a subnet certified last.
    pub(crate) fn certified_state(&self, subnet: usize) -> &Arc<State> {
        self.subnets[subnet]
            .certified
            .get_or_init(|| Arc::new(State::new(self, subnet)))
    }

    /// The state is now as it is to be certified, at this time.
    pub(crate) fn certify(&mut self) {
        self.certified_time = self.time;
        for subnet in &mut self.subnets {
            subnet.certified = OnceLock::new();
        }
    }

    /// A signature by the first node of a subnet, and who that is. `None`: no subnet goes by the principal.
    pub(crate) fn sign_as_node(
        &self,
        effective: EffectivePrincipal,
        message: &[u8],
    ) -> Option<(Principal, Vec<u8>)> {
        let node = self.topology.subnets[self.subnet_for(effective)?]
            .keys
            .nodes
            .first()?;
        Some((node.id(), node.sign(message)))
    }

    /// The certificate for a query of this canister.
    pub(crate) fn data_certificate(&self, canister: &Arc<Canister>) -> DataCertificate {
        DataCertificate {
            state: Arc::clone(self.certified_state(canister.subnet)),
            canister: Arc::clone(canister),
            bytes: OnceLock::new(),
        }
    }

    /// Digests of the requests that the last round of a subnet knew.
    fn certified_requests(&self, subnet: usize) -> Vec<(Vec<u8>, Hash)> {
        let mut requests = Vec::new();
        for (id, submission) in &self.submissions {
            let Some(status) = self.ingress.get(id) else {
                continue;
            };
            if submission.subnet != subnet
                || (*status == IngressStatus::Received && submission.round == self.round)
            {
                continue;
            }
            let digest = match status {
                // It will not change.
                IngressStatus::Done(_) => *submission
                    .digest
                    .get_or_init(|| request_status(status).digest()),
                _ => request_status(status).digest(),
            };
            requests.push((id.to_vec(), digest));
        }
        requests
    }

    pub(crate) fn open_request(&self, label: &[u8]) -> Option<Node> {
        let id = MessageId::try_from(label).ok()?;
        self.ingress.get(&id).map(request_status)
    }
}

/// What is certified of a canister; the metadata in full only if it is wanted.
pub(crate) fn canister(canister: &Canister, wanted: Option<&Wanted>) -> Node {
    let mut nodes = vec![(
        "controllers",
        Node::Leaf(cbor(&canister.settings.controllers)),
    )];
    if let Some(code) = &canister.code {
        let module = &code.module;
        nodes.push((
            "certified_data",
            Node::Leaf(canister.certified_data.clone()),
        ));
        nodes.push(("module_hash", Node::Leaf(module.hash.to_vec())));
        let opened = wanted.is_some_and(|wanted| wanted.below(b"metadata").is_some());
        let sections = if opened {
            metadata(&module.metadata)
        } else {
            Node::Pruned(module.metadata_digest)
        };
        nodes.push(("metadata", sections));
    }
    Node::labels(nodes)
}

/// What is certified of a module's custom sections.
pub(crate) fn metadata(sections: &BTreeMap<String, (bool, Vec<u8>)>) -> Node {
    Node::labels(
        sections
            .iter()
            .map(|(name, (_, content))| (name.as_str(), Node::Leaf(content.clone()))),
    )
}

/// What is certified of a request.
fn request_status(status: &IngressStatus) -> Node {
    let text = |text: &str| Node::Leaf(text.as_bytes().to_vec());
    match status {
        IngressStatus::Unknown => Node::labels::<&str>([]),
        IngressStatus::Received => Node::labels([("status", text("received"))]),
        IngressStatus::Processing => Node::labels([("status", text("processing"))]),
        IngressStatus::Done(Ok(reply)) => Node::labels([
            ("reply", Node::Leaf(reply.clone())),
            ("status", text("replied")),
        ]),
        IngressStatus::Done(Err(reject)) => Node::labels([
            ("error_code", text(&reject.error_code)),
            ("reject_code", Node::Leaf(natural(reject.code as u64))),
            ("reject_message", text(&reject.message)),
            ("status", text("rejected")),
        ]),
    }
}

/// The platform's word for what a subnet is for.
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

/// Self-describing CBOR.
fn cbor(value: &impl Serialize) -> Vec<u8> {
    let mut serializer = serde_cbor::Serializer::new(Vec::new());
    serializer
        .self_describe()
        .and_then(|()| value.serialize(&mut serializer))
        .expect("it has an encoding, and a vector takes all that is written");
    serializer.into_inner()
}

/// A natural number in the tree: unsigned LEB128.
fn natural(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
