//! The state of an instance as bytes, and back.
//!
//! What is certified and what is derived from the list of subnets is computed again. The record of
//! executed messages is left out.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use candid::Principal;
use serde::{Deserialize, Serialize};

use crate::{
    canister::{Canister, calls::Input, execution_state::ExecutionState, snapshot::SnapshotCode},
    certification::{keys::SubnetKeys, topology::Topology},
    execution::program_cache,
    faults::Faults,
    ingress::{IngressStatus, MessageId},
    network::{
        Ledger, Network, Submission, Subnet, blocks::Blocks, canisters::Canisters,
        outcalls::Outcall, signatures::PendingSignature, subnet_counters::SubnetCounters,
    },
    subnets::{SubnetInfo, SubnetKind, nodes},
    wasm::known_modules::{self, Modules},
};

/// All of a [`Network`] but its modules, and what follows from the rest.
#[derive(Serialize, Deserialize)]
struct StoredNetwork<'a> {
    time: u64,
    certified_time: u64,
    round: u64,
    infos: Cow<'a, [SubnetInfo]>,
    subnets: Vec<StoredSubnet>,
    configured: usize,
    canisters: Cow<'a, Canisters>,
    ready: Cow<'a, BTreeSet<Principal>>,
    stopping: Cow<'a, BTreeSet<Principal>>,
    transit: Cow<'a, VecDeque<(u64, Input)>>,
    outcalls: Cow<'a, BTreeMap<(usize, u64), Outcall>>,
    signatures: Cow<'a, [PendingSignature]>,
    ingress: Cow<'a, BTreeMap<MessageId, IngressStatus>>,
    answered: Cow<'a, VecDeque<MessageId>>,
    answered_bytes: usize,
    submissions: Cow<'a, BTreeMap<MessageId, Submission>>,
    submitted: u64,
    draws: u64,
    ledger: Ledger,
    rate_limited: bool,
    limits_method_names: bool,
    beta_features: bool,
    next_event: u64,
    faults: Cow<'a, Faults>,
}

/// All of a [`Subnet`] but what follows from its [`SubnetInfo`].
#[derive(Serialize, Deserialize)]
struct StoredSubnet {
    next: u64,
    last: u64,
    outcalls: u64,
    blocks: VecDeque<Blocks>,
    compiled: BTreeSet<[u8; 32]>,
    exhausted_by: Option<Principal>,
    counters: SubnetCounters,
}

impl Network {
    /// The whole state.
    ///
    /// # Errors
    /// A value has no form on disk.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let modules = self.modules();
        let modules: Vec<&[u8]> = modules.values().map(|bytes| bytes.as_slice()).collect();
        postcard::to_allocvec(&(modules, self.stored())).map_err(|e| e.to_string())
    }

    /// The network of a state.
    ///
    /// # Errors
    /// The bytes are no state: a sentence that says so.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let unreadable = |error: postcard::Error| format!("the state can't be read: {error}");
        let (modules, rest) = postcard::take_from_bytes::<Vec<&[u8]>>(bytes).map_err(unreadable)?;
        let mut known = Modules::new();
        for bytes in modules {
            let module = Arc::clone(&program_cache::load(bytes)?.module);
            known.insert(module.hash, module);
        }
        let stored = known_modules::with(known, || postcard::from_bytes(rest));
        Self::of(stored.map_err(unreadable)?)
    }

    /// The modules of all canisters and snapshots, by their hashes.
    fn modules(&self) -> BTreeMap<[u8; 32], Arc<Vec<u8>>> {
        let of_snapshots = |canister: &Arc<Canister>| {
            let codes = canister.snapshots.values();
            let codes = codes.filter_map(|snapshot| match &snapshot.program {
                SnapshotCode::Taken(code) => Some(module_of(code)),
                SnapshotCode::Uploaded(_) => None,
            });
            codes.collect::<Vec<_>>()
        };
        let canisters = self.canisters.values();
        let modules = canisters.flat_map(|canister| {
            let own = canister.code.as_ref().map(module_of);
            own.into_iter().chain(of_snapshots(canister))
        });
        modules.collect()
    }

    fn stored(&self) -> StoredNetwork<'_> {
        let Self {
            time,
            certified_time,
            round,
            topology: _, // of the subnets
            infos,
            subnets,
            configured,
            canisters,
            ready,
            stopping,
            transit,
            outcalls,
            signatures,
            ingress,
            answered,
            answered_bytes,
            submissions,
            submitted,
            draws,
            ledger,
            rate_limited,
            limits_method_names,
            beta_features,
            events: _, // a record
            next_event,
            faults,
        } = self;
        StoredNetwork {
            time: *time,
            certified_time: *certified_time,
            round: *round,
            infos: Cow::Borrowed(infos),
            subnets: subnets.iter().map(Subnet::stored).collect(),
            configured: *configured,
            canisters: Cow::Borrowed(canisters),
            ready: Cow::Borrowed(ready),
            stopping: Cow::Borrowed(stopping),
            transit: Cow::Borrowed(transit),
            outcalls: Cow::Borrowed(outcalls),
            signatures: Cow::Borrowed(signatures),
            ingress: Cow::Borrowed(ingress),
            answered: Cow::Borrowed(answered),
            answered_bytes: *answered_bytes,
            submissions: Cow::Borrowed(submissions),
            submitted: *submitted,
            draws: *draws,
            ledger: *ledger,
            rate_limited: *rate_limited,
            limits_method_names: *limits_method_names,
            beta_features: *beta_features,
            next_event: *next_event,
            faults: Cow::Borrowed(faults),
        }
    }

    fn of(stored: StoredNetwork<'_>) -> Result<Self, String> {
        let infos = stored.infos.into_owned();
        let root = root(&infos).ok_or("the state has no subnet")?;
        let root_key = SubnetKeys::of(root, nodes(infos[root].kind)).public.clone();
        if infos.len() != stored.subnets.len() {
            return Err("the state has another number of subnets than it lists".into());
        }
        let subnets = infos.iter().zip(stored.subnets).enumerate();
        let subnets = subnets.map(|(index, (info, stored))| {
            stored.complete(Subnet::new(index, info, root_key.clone()))
        });
        let mut network = Self {
            time: stored.time,
            certified_time: stored.certified_time,
            round: stored.round,
            topology: Arc::new(Topology::new(&infos, root)),
            subnets: subnets.collect(),
            infos,
            configured: stored.configured,
            canisters: stored.canisters.into_owned(),
            ready: stored.ready.into_owned(),
            stopping: stored.stopping.into_owned(),
            transit: stored.transit.into_owned(),
            outcalls: stored.outcalls.into_owned(),
            signatures: stored.signatures.into_owned(),
            ingress: stored.ingress.into_owned(),
            answered: stored.answered.into_owned(),
            answered_bytes: stored.answered_bytes,
            submissions: stored.submissions.into_owned(),
            submitted: stored.submitted,
            draws: stored.draws,
            ledger: stored.ledger,
            rate_limited: stored.rate_limited,
            limits_method_names: stored.limits_method_names,
            beta_features: stored.beta_features,
            events: Vec::new(),
            next_event: stored.next_event,
            faults: stored.faults.into_owned(),
        };
        network.announce_signature_fees();
        Ok(network)
    }
}

/// The number of the root subnet: the NNS subnet, or the first one.
fn root(infos: &[SubnetInfo]) -> Option<usize> {
    let nns = infos.iter().position(|info| info.kind == SubnetKind::NNS);
    nns.or((!infos.is_empty()).then_some(0))
}

fn module_of(code: &ExecutionState) -> ([u8; 32], Arc<Vec<u8>>) {
    (code.module.hash, Arc::clone(&code.module.bytes))
}

impl Subnet {
    fn stored(&self) -> StoredSubnet {
        let Self {
            context: _,   // of the list of subnets
            certified: _, // of the state
            next,
            last,
            outcalls,
            blocks,
            compiled,
            exhausted_by,
            counters,
        } = self.clone();
        StoredSubnet {
            next,
            last,
            outcalls,
            blocks,
            compiled,
            exhausted_by,
            counters,
        }
    }
}

impl StoredSubnet {
    /// Fills in a fresh subnet.
    fn complete(self, fresh: Subnet) -> Subnet {
        let Self {
            next,
            last,
            outcalls,
            blocks,
            compiled,
            exhausted_by,
            counters,
        } = self;
        Subnet {
            next,
            last,
            outcalls,
            blocks,
            compiled,
            exhausted_by,
            counters,
            ..fresh
        }
    }
}
