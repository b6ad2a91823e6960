//! The certified state of a subnet: a hash tree after each round, and certificates of parts of it.
//! The tree is built and signed with the first certificate.

use std::sync::{Arc, OnceLock};

use ic_certification::{Certificate, HashTree, pruned};

use crate::{
    canister::Canister,
    certification::{
        topology::Topology,
        tree::{Hash, Labels, Node, Wanted, cbor, metadata, natural},
    },
    ingress::IngressStatus,
};

/// The certified state of a subnet after a round.
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
    /// `canisters` are those of the subnet in the order of their ids; `requests` are the digests of
    /// its ingress messages, in ascending order of their ids; `metrics` is the leaf of its metrics.
    pub(crate) fn new<'a>(
        subnet: usize,
        time: u64,
        topology: Arc<Topology>,
        canisters: impl Iterator<Item = &'a Arc<Canister>>,
        requests: Vec<(Vec<u8>, Hash)>,
        metrics: Vec<u8>,
    ) -> Self {
        let subnets = topology.subnets(Some((subnet, metrics)));
        let ranges = topology.ranges();
        let canisters =
            canisters.map(|state| (state.id.as_slice().to_vec(), canister(state, None).digest()));
        let canisters = Labels::new(canisters.collect());
        let requests = Labels::new(requests);
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

    /// A certificate, in CBOR, of the `wanted` paths and of the time. `canister` and `request`
    /// answer the node below a label of `/canister` and `/request_status`. Nodes that they do not
    /// know stay pruned.
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
        let signature = self
            .signature
            .get_or_init(|| self.topology.sign(self.subnet, &self.root.digest()));
        cbor(&Certificate {
            tree,
            signature: signature.to_vec(),
            delegation: self.topology.delegation(self.subnet, self.time),
        })
    }
}

/// The certificate of a canister's certified data. It is made when a query reads it.
pub(crate) struct DataCertificate {
    state: Arc<State>,
    canister: Arc<Canister>,
    bytes: OnceLock<Vec<u8>>,
}

impl DataCertificate {
    pub(crate) fn new(state: Arc<State>, canister: Arc<Canister>) -> Self {
        Self {
            state,
            canister,
            bytes: OnceLock::new(),
        }
    }

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

/// The node of a canister. The metadata is pruned unless it is wanted.
pub(crate) fn canister(canister: &Canister, wanted: Option<&Wanted>) -> Node {
    let mut nodes = vec![
        (
            "canister_creation_timestamp",
            Node::Leaf(natural(canister.created_at)),
        ),
        (
            "controllers",
            Node::Leaf(cbor(&canister.settings.controllers)),
        ),
    ];
    if let Some(code) = &canister.code {
        let module = &code.module;
        nodes.push((
            "certified_data",
            Node::Leaf(canister.certified_data.clone()),
        ));
        nodes.push((
            "last_install_timestamp",
            Node::Leaf(natural(canister.installed_at)),
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

/// The node of an ingress message.
pub(crate) fn request_status(status: &IngressStatus) -> Node {
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
