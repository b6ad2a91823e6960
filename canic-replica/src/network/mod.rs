//! The network: all state of one instance, with its subnets, canisters and messages.

mod accounts;
pub(crate) mod admins;
pub(crate) mod blocks;
pub(crate) mod canisters;
mod certify;
mod fees;
mod ingress_history;
pub(crate) mod outcalls;
pub(crate) mod queries;
pub(crate) mod read_state;
pub(crate) mod routing;
pub(crate) mod signatures;
mod state_hash;
mod stored;
pub(crate) mod subnet_counters;
pub(crate) mod subnet_creation;
mod subnet_deletion;
mod subnet_metrics;
mod system_canisters;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, OnceLock},
};

use candid::Principal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    canister::{
        Canister,
        calls::{Input, Request},
    },
    certification::{
        certificate::State,
        keys::{NodeKey, SubnetKeys},
        topology::Topology,
        tree::Hash,
    },
    execution::message::SubnetContext,
    faults::Faults,
    ingress::{IngressStatus, MessageId},
    memory::Stable,
    network::{
        blocks::Blocks, canisters::Canisters, outcalls::Outcall, signatures::PendingSignature,
        subnet_counters::SubnetCounters,
    },
    prices::{BENCHMARK_LIMIT, Prices, signatures::fees},
    reject::{Reject, not_found},
    subnets::{
        SubnetInfo, SubnetKind, SubnetOptions, allocation, block_of_kind, canister_id, is_named,
        nodes,
    },
    system::SystemCanisters,
    trace::{Event, Fees},
};

/// The configuration of a new instance.
#[derive(Clone, Debug)]
pub struct Config {
    /// The subnets, in order. A named kind occurs at most once.
    pub subnets: Vec<SubnetKind>,
    /// The options of subnets that differ from the default ones, by their place in `subnets`.
    pub options: BTreeMap<usize, SubnetOptions>,
    /// The initial time, in nanoseconds since 1970; 2021-05-06T19:17:10Z by default.
    pub time: Option<u64>,
    /// Whether installations are rate limited, as on the network: many instructions delay the next
    /// installation.
    pub rate_limited: bool,
    /// Whether a module has at most 1,000 methods, and 20,000 bytes of method names, as on the
    /// network.
    pub limits_method_names: bool,
    /// Whether subnets that charge for outcalls have `flexible_http_request`, and the price by use
    /// for `http_request`. The network does not have them yet.
    pub beta_features: bool,
    /// Whether the NNS subnet has the id that it has on the mainnet. Its key is not that of the
    /// mainnet.
    pub mainnet_nns_id: bool,
    /// The network's own canisters. Their subnets must be there.
    pub system_canisters: SystemCanisters,
}

/// One application subnet with the rules of the network.
impl Default for Config {
    fn default() -> Self {
        Self {
            subnets: vec![SubnetKind::Application],
            options: BTreeMap::new(),
            time: None,
            rate_limited: true,
            limits_method_names: true,
            beta_features: false,
            mainnet_nns_id: false,
            system_canisters: SystemCanisters::default(),
        }
    }
}

/// All state of one instance: a network of subnets with canisters, as plain data.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) time: u64,
    /// The time of the last round, for queries and certificates.
    pub(crate) certified_time: u64,
    pub(crate) round: u64,
    pub(crate) topology: Arc<Topology>,
    pub(crate) infos: Vec<SubnetInfo>,
    pub(crate) subnets: Vec<Subnet>,
    /// The number of the subnets that the configuration names. The others were created later.
    pub(crate) configured: usize,
    pub(crate) canisters: Canisters,
    /// Canisters whose queues are not empty.
    pub(crate) ready: BTreeSet<Principal>,
    /// Canisters that are stopping.
    pub(crate) stopping: BTreeSet<Principal>,
    /// Messages that arrive in a later round, with that round.
    pub(crate) transit: VecDeque<(u64, Input)>,
    /// Outcalls under way, by subnet and number.
    pub(crate) outcalls: BTreeMap<(usize, u64), Outcall>,
    /// Signatures that the next round answers.
    pub(crate) signatures: Vec<PendingSignature>,
    pub(crate) ingress: BTreeMap<MessageId, IngressStatus>,
    /// The answered messages, in the order of the answers, and the size of their outcomes.
    pub(crate) answered: VecDeque<MessageId>,
    pub(crate) answered_bytes: usize,
    pub(crate) submissions: BTreeMap<MessageId, Submission>,
    pub(crate) submitted: u64,
    /// Counts the draws of random bytes.
    pub(crate) draws: u64,
    pub(crate) ledger: Ledger,
    pub(crate) rate_limited: bool,
    pub(crate) limits_method_names: bool,
    pub(crate) beta_features: bool,
    pub(crate) events: Vec<Event>,
    pub(crate) next_event: u64,
    pub(crate) faults: Faults,
}

/// The state of a subnet.
#[derive(Clone)]
pub(crate) struct Subnet {
    pub(crate) context: Arc<SubnetContext>,
    /// The state that it certified last, built on the first request.
    pub(crate) certified: OnceLock<Arc<State>>,
    /// The numbers of the next and of the last canister id.
    pub(crate) next: u64,
    pub(crate) last: u64,
    /// The number of HTTP outcalls so far.
    pub(crate) outcalls: u64,
    /// Oldest day first.
    pub(crate) blocks: VecDeque<Blocks>,
    /// The hashes of the modules that were installed since the last checkpoint: the subnet need not
    /// compile them again.
    pub(crate) compiled: BTreeSet<[u8; 32]>,
    /// The canister that used up the instructions of the last round, if any did. The next round
    /// visits it last.
    pub(crate) exhausted_by: Option<Principal>,
    pub(crate) counters: SubnetCounters,
}

/// The submission of an ingress message.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Submission {
    pub(crate) sender: Principal,
    /// Its effective principal.
    pub(crate) effective: Principal,
    /// The number of its subnet.
    pub(crate) subnet: usize,
    /// The last round before the submission.
    pub(crate) round: u64,
    /// When it expires unless its execution has begun, in nanoseconds since 1970.
    pub(crate) expires: u64,
    /// The digest of its outcome.
    #[serde(skip)]
    pub(crate) digest: OnceLock<Hash>,
}

/// The cycles that no canister holds.
#[derive(Clone, Copy, Default, Hash, Serialize, Deserialize)]
pub(crate) struct Ledger {
    pub(crate) minted: u128,
    pub(crate) fees: Fees,
    pub(crate) burnt: u128,
    pub(crate) destroyed: u128,
}

/// 2021-05-06T19:17:10Z.
const DEFAULT_TIME: u64 = 1_620_328_630_000_000_000;
/// The NNS subnet of the mainnet: tdb26-jop6k-aogll-7ltgs-eruif-6kk7m-qpktf-gdiqx-mxtrf-vb5e6-eqe.
const MAINNET_NNS: Principal = Principal::from_slice(&[
    0xcf, 0xf2, 0x80, 0xe3, 0x2d, 0x7f, 0x5c, 0xcd, 0x22, 0x46, 0x88, 0x2f, 0x94, 0xaf, 0xb2, 0x0f,
    0x54, 0xca, 0x61, 0xa2, 0x17, 0x65, 0xe7, 0x12, 0xd4, 0x3d, 0x27, 0x89, 0x02,
]);

impl Subnet {
    /// A fresh subnet with this number; `root_key` is the key of the root subnet.
    pub(crate) fn new(index: usize, info: &SubnetInfo, root_key: Vec<u8>) -> Self {
        let (next, last) = allocation(index as u64);
        let mut prices = Prices::of(info.kind);
        if info.options.is_free {
            prices = prices.free();
        }
        if info.options.is_benchmarking {
            prices.update_limit = BENCHMARK_LIMIT;
            prices.query_limit = BENCHMARK_LIMIT;
        }
        let context = SubnetContext {
            id: info.id,
            nodes: nodes(info.kind),
            prices,
            root_key,
            signature_fees: Arc::default(),
        };
        Self {
            context: Arc::new(context),
            certified: OnceLock::new(),
            next,
            last,
            outcalls: 0,
            blocks: VecDeque::new(),
            compiled: BTreeSet::new(),
            exhausted_by: None,
            counters: SubnetCounters::default(),
        }
    }
}

impl Network {
    /// A fresh network.
    ///
    /// # Errors
    /// See [`crate::Replica::new`].
    pub(crate) fn new(config: Config) -> Result<Self, String> {
        if config.subnets.is_empty() {
            return Err("an instance needs at least one subnet".into());
        }
        let time = config.time.unwrap_or(DEFAULT_TIME);
        check_time(time)?;
        let root = config
            .subnets
            .iter()
            .position(|kind| *kind == SubnetKind::NNS)
            .unwrap_or(0);
        let root_keys = SubnetKeys::of(root, nodes(config.subnets[root]));
        let mut infos: Vec<SubnetInfo> = Vec::new();
        let mut subnets = Vec::new();
        for (index, kind) in config.subnets.into_iter().enumerate() {
            if is_named(kind) && infos.iter().any(|info| info.kind == kind) {
                return Err(format!("there can be only one {kind:?} subnet"));
            }
            let keys = SubnetKeys::of(index, nodes(kind));
            let id = match kind {
                SubnetKind::NNS if config.mainnet_nns_id => MAINNET_NNS,
                _ => keys.id(),
            };
            let options = config.options.get(&index).cloned().unwrap_or_default();
            let nodes = keys.nodes.iter().map(NodeKey::id).collect();
            let info = SubnetInfo::new(index, id, kind, options, block_of_kind(kind), nodes);
            subnets.push(Subnet::new(index, &info, root_keys.public.clone()));
            infos.push(info);
        }
        let mut network = Self {
            time,
            certified_time: time,
            round: 0,
            topology: Arc::new(Topology::new(&infos, root)),
            configured: infos.len(),
            infos,
            subnets,
            canisters: Canisters::default(),
            ready: BTreeSet::new(),
            stopping: BTreeSet::new(),
            transit: VecDeque::new(),
            outcalls: BTreeMap::new(),
            signatures: Vec::new(),
            ingress: BTreeMap::new(),
            answered: VecDeque::new(),
            answered_bytes: 0,
            submissions: BTreeMap::new(),
            submitted: 0,
            draws: 0,
            ledger: Ledger::default(),
            rate_limited: config.rate_limited,
            limits_method_names: config.limits_method_names,
            beta_features: config.beta_features,
            events: Vec::new(),
            next_event: 0,
            faults: Faults::default(),
        };
        network.announce_signature_fees();
        network.check_admins()?;
        network.create_system_canisters(config.system_canisters)?;
        Ok(network)
    }

    /// Tells all subnets the fees for signatures with the keys of the network. They change when a
    /// subnet is added that holds keys.
    pub(crate) fn announce_signature_fees(&mut self) {
        let subnets = self.infos.iter();
        let fees = Arc::new(fees(subnets.map(|info| (info.kind, info.nodes.len()))));
        for subnet in &mut self.subnets {
            Arc::make_mut(&mut subnet.context).signature_fees = Arc::clone(&fees);
        }
    }

    /// The subnets that are not deleted, in the order of the configuration.
    pub(crate) fn present_subnets(&self) -> impl Iterator<Item = &SubnetInfo> {
        self.infos.iter().filter(|info| !info.deleted)
    }

    /// Sets the time of the next round, in nanoseconds since 1970.
    pub(crate) fn set_time(&mut self, ns: u64) -> Result<(), String> {
        if ns < self.time {
            return Err(format!(
                "the time cannot go back from {} to {ns}",
                self.time
            ));
        }
        check_time(ns)?;
        self.time = ns;
        Ok(())
    }

    /// The canister id whose subnet runs management calls without an effective principal.
    pub(crate) fn default_effective_canister(&self) -> Principal {
        use SubnetKind::{Application, System, VerifiedApplication};
        let first = |kind| {
            let is_of_kind = |info: &SubnetInfo| info.kind == kind && !info.deleted;
            self.infos[..self.configured].iter().position(is_of_kind)
        };
        let index = [Application, VerifiedApplication, System]
            .into_iter()
            .find_map(first);
        canister_id(allocation(index.unwrap_or(0) as u64).0)
    }

    /// The subnet whose ranges hold `canister`, whether the canister exists or not.
    pub(crate) fn subnet_of(&self, canister: Principal) -> Option<Principal> {
        self.subnet_index_of(canister)
            .map(|index| self.infos[index].id)
    }

    /// Mints cycles into a canister; answers the new balance. `None`: there is no such canister, or
    /// the sum exceeds 128 bits.
    pub(crate) fn add_cycles(&mut self, canister: Principal, amount: u128) -> Option<u128> {
        let minted = self.ledger.minted.checked_add(amount)?;
        let canister = self.canister_mut(canister)?;
        canister.balance = canister.balance.checked_add(amount)?;
        let balance = canister.balance;
        self.ledger.minted = minted;
        Some(balance)
    }

    /// Replaces the stable memory of a canister.
    pub(crate) fn set_stable_memory(
        &mut self,
        canister: Principal,
        bytes: &[u8],
    ) -> Result<(), String> {
        let stable = Stable::from_bytes(bytes).ok_or("stable memory cannot have so many bytes")?;
        let found = self
            .canister_mut(canister)
            .ok_or_else(|| format!("there is no canister {canister}"))?;
        if found.code.is_none() {
            return Err(format!("canister {canister} is empty: install code first"));
        }
        found.stable = stable;
        Ok(())
    }

    pub(crate) fn canister_mut(&mut self, id: Principal) -> Option<&mut Canister> {
        self.canisters.get_mut(id)
    }

    pub(crate) fn prices(&self, canister: &Canister) -> Prices {
        self.subnets[canister.subnet].context.prices
    }

    pub(crate) fn subnet_index_of(&self, canister: Principal) -> Option<usize> {
        let bytes = canister.as_slice();
        let within = |(first, last): &(Principal, Principal)| {
            bytes.len() == first.as_slice().len()
                && (first.as_slice()..=last.as_slice()).contains(&bytes)
        };
        self.infos
            .iter()
            .position(|info| !info.deleted && info.canister_ranges.iter().any(within))
    }

    pub(crate) fn subnet_index(&self, subnet: Principal) -> Option<usize> {
        self.infos
            .iter()
            .position(|info| info.id == subnet && !info.deleted)
    }

    /// The number of the NNS subnet: as on PocketIC, the first subnet if there is no NNS.
    pub(crate) fn nns_index(&self) -> usize {
        let is_nns = |info: &SubnetInfo| info.kind == SubnetKind::NNS;
        self.infos.iter().position(is_nns).unwrap_or(0)
    }

    /// Whether a subnet gives this id to new canisters.
    pub(crate) fn is_allocatable(&self, canister: Principal) -> bool {
        (0..self.infos.len() as u64).any(|subnet| {
            let (first, last) = allocation(subnet);
            (canister_id(first)..=canister_id(last)).contains(&canister)
        })
    }

    /// An id that no canister of the subnet has or had. `None`: all ids are used.
    pub(crate) fn fresh_canister_id(&mut self, subnet: usize) -> Option<Principal> {
        loop {
            let subnet = &mut self.subnets[subnet];
            if subnet.next > subnet.last {
                return None;
            }
            let id = canister_id(subnet.next);
            subnet.next += 1;
            if !self.canisters.contains_key(&id) {
                return Some(id);
            }
        }
    }

    /// 32 bytes that no canister can foresee. The same inputs give the same bytes.
    pub(crate) fn random_bytes(&mut self) -> [u8; 32] {
        self.draws += 1;
        let mut hasher = Sha256::new();
        hasher.update(b"randomness");
        hasher.update(self.draws.to_be_bytes());
        hasher.update(self.round.to_be_bytes());
        hasher.finalize().into()
    }

    /// The canister of this id, or the reject if there is none.
    pub(crate) fn require_canister(&self, id: Principal) -> Result<&Arc<Canister>, Reject> {
        self.canisters.get(&id).ok_or_else(|| not_found(id))
    }

    /// The canister of this id, for a change.
    pub(crate) fn require_canister_mut(&mut self, id: Principal) -> Result<&mut Canister, Reject> {
        self.canister_mut(id).ok_or_else(|| not_found(id))
    }

    /// The canister of this id, for a change by its controller.
    pub(crate) fn require_controlled(
        &mut self,
        id: Principal,
        request: &Request,
    ) -> Result<&mut Canister, Reject> {
        let canister = self.require_canister_mut(id)?;
        canister.check_controller(&request.sender)?;
        Ok(canister)
    }
}

/// Checks that there is room for deadlines after a time.
fn check_time(ns: u64) -> Result<(), String> {
    if i64::try_from(ns).is_err() {
        return Err(format!(
            "the time {ns} is too far in the future: at most {} nanoseconds since 1970",
            i64::MAX
        ));
    }
    Ok(())
}
