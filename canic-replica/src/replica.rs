//! One instance, seen from outside.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};

use candid::Principal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Reject;
use crate::canister::input_queues::Source;
use crate::canister::{Canister, Input, Origin, Request, Response, Status};
use crate::certification::certificate::{State, Topology};
use crate::certification::keys::{NodeKey, SubnetKeys};
use crate::certification::tree::Hash;
use crate::execution::Place;
use crate::faults::{Chaos, Fault, Faults, Planted, Strike};
use crate::management::Blocks;
use crate::management::outcalls::{self, Outcall};
use crate::memory::Stable;
use crate::network::canisters::Canisters;
use crate::prices::Prices;
use crate::trace::{Accounts, Event, Fees};

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

/// What an instance starts with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The subnets, in order; named kinds at most once each.
    pub subnets: Vec<SubnetKind>,
    /// Nanoseconds since 1970; 2021-05-06T19:17:10Z by default.
    pub time: Option<u64>,
    /// Whether a canister that has just installed much has to wait before it installs again, as on the network.
    pub rate_limited: bool,
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
    /// It is no more. It keeps its place, as subnets are known by their numbers.
    pub(crate) deleted: bool,
}

/// A message from outside.
#[derive(Clone, Debug)]
pub struct Ingress {
    /// Who sends it.
    pub sender: Principal,
    /// The callee; `aaaaa-aa` is the management canister.
    pub canister: Principal,
    /// The method.
    pub method: String,
    /// The argument.
    pub payload: Vec<u8>,
    /// Where a call to the management canister is to run.
    pub effective: Option<EffectivePrincipal>,
    /// What some canister vouches for about the sender.
    pub caller_info: Option<CallerInfo>,
}

/// What a canister vouches for about the sender of a message. The replica passes it on to the callee unseen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallerInfo {
    /// The information.
    pub data: Vec<u8>,
    /// Which canister vouches for it.
    pub signer: Principal,
}

/// Where a call to the management canister is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectivePrincipal {
    /// On the subnet of this canister (id).
    Canister(Principal),
    /// On this subnet.
    Subnet(Principal),
}

/// Who makes the block of a round on one subnet.
#[derive(Clone, Debug)]
pub struct Blockmakers {
    /// The subnet.
    pub subnet: Principal,
    /// The node whose block it is.
    pub blockmaker: Principal,
    /// Nodes whose turn it had been before, and that made none.
    pub failed: Vec<Principal>,
}

/// Names a submitted ingress message.
pub type MessageId = [u8; 32];

/// How far an ingress message has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IngressStatus {
    /// No such message.
    Unknown,
    /// Waits to be executed.
    Received,
    /// Executed, but not answered yet.
    Processing,
    /// Answered.
    Done(Result<Vec<u8>, Reject>),
}

/// One instance: a network of subnets with canisters. Cloning forks it.
#[derive(Clone)]
pub struct Replica {
    pub(crate) time: u64,
    /// The time of the last round, which queries and certificates see.
    pub(crate) certified_time: u64,
    pub(crate) round: u64,
    pub(crate) topology: Arc<Topology>,
    pub(crate) infos: Vec<SubnetInfo>,
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) canisters: Canisters,
    /// Canisters whose queues are not empty.
    pub(crate) ready: BTreeSet<Principal>,
    /// Canisters that wait for their open calls, to stop.
    pub(crate) stopping: BTreeSet<Principal>,
    /// Messages that arrive in a later round, with that round.
    pub(crate) transit: VecDeque<(u64, Input)>,
    /// Outcalls under way, by subnet and number.
    pub(crate) outcalls: BTreeMap<(usize, u64), Outcall>,
    pub(crate) ingress: BTreeMap<MessageId, IngressStatus>,
    /// Those of them that are answered, in the order of the answers, and the bytes of these.
    pub(crate) answered: VecDeque<MessageId>,
    pub(crate) answered_bytes: usize,
    pub(crate) submissions: BTreeMap<MessageId, Submission>,
    pub(crate) submitted: u64,
    /// Numbers what must be unique or unpredictable.
    pub(crate) draws: u64,
    pub(crate) ledger: Ledger,
    pub(crate) rate_limited: bool,
    pub(crate) events: Vec<Event>,
    pub(crate) next_event: u64,
    pub(crate) faults: Faults,
}

/// A subnet from inside.
#[derive(Clone)]
pub(crate) struct Subnet {
    pub(crate) place: Arc<Place>,
    /// What it certified last, once somebody asks.
    pub(crate) certified: OnceLock<Arc<State>>,
    /// The number of the next canister id, and the last one.
    pub(crate) next: u64,
    pub(crate) last: u64,
    /// HTTP outcalls so far.
    pub(crate) outcalls: u64,
    /// Oldest day first.
    pub(crate) blocks: VecDeque<Blocks>,
    /// The canister that used up the instructions of the last round, if they were: it comes last in the next one.
    pub(crate) exhausted_by: Option<Principal>,
}

/// Where an ingress message came from, and went to.
#[derive(Clone)]
pub(crate) struct Submission {
    pub(crate) sender: Principal,
    /// The canister or subnet that it was addressed to.
    pub(crate) effective: Principal,
    /// The number of its subnet.
    pub(crate) subnet: usize,
    /// The last round before it.
    pub(crate) round: u64,
    /// When it is too late to begin with it, in nanoseconds since 1970.
    pub(crate) expires: u64,
    /// What is certified of it, once it is answered.
    pub(crate) digest: OnceLock<Hash>,
}

/// Where cycles went that no canister holds.
#[derive(Clone, Copy, Default, Hash)]
pub(crate) struct Ledger {
    pub(crate) minted: u128,
    pub(crate) fees: Fees,
    pub(crate) burnt: u128,
    pub(crate) destroyed: u128,
}

/// Nodes per subnet; prices are those of such a subnet.
pub(crate) const NODES: u32 = 13;
/// 2021-05-06T19:17:10Z.
const DEFAULT_TIME: u64 = 1_620_328_630_000_000_000;
/// Rounds that [`Replica::await_ingress`] waits.
const PATIENCE: u32 = 100;
/// How long an ingress message may wait for its execution, in nanoseconds.
const INGRESS_TTL: u64 = 300_000_000_000;
/// Ingress messages whose outcome is remembered.
const REMEMBERED: usize = 20_000;
/// Bytes that these outcomes may have in all.
const REMEMBERED_BYTES: usize = 256 << 20;

impl Replica {
    /// A fresh instance. Errors: no subnet; a named subnet twice; a time beyond the year 2262.
    pub fn new(config: Config) -> Result<Self, String> {
        if config.subnets.is_empty() {
            return Err("an instance needs at least one subnet".into());
        }
        check_time(config.time.unwrap_or(DEFAULT_TIME))?;
        let mut infos: Vec<SubnetInfo> = Vec::new();
        let mut subnets = Vec::new();
        let root = config
            .subnets
            .iter()
            .position(|kind| *kind == SubnetKind::NNS)
            .unwrap_or(0);
        for (index, kind) in config.subnets.into_iter().enumerate() {
            if is_named(kind) && infos.iter().any(|info| info.kind == kind) {
                return Err(format!("there can be only one {kind:?} subnet"));
            }
            let keys = SubnetKeys::of(index);
            let id = keys.id();
            let nodes = keys.nodes.iter().map(NodeKey::id).collect();
            let (first, last) = allocation(index as u64);
            let mut ranges = mainnet_ranges(kind);
            ranges.push((first, last));
            let canister_ranges = ranges
                .into_iter()
                .map(|(a, b)| (canister_id(a), canister_id(b)))
                .collect();
            let place = Place {
                subnet: id,
                nodes: NODES,
                prices: Prices::of(kind),
                root_key: SubnetKeys::of(root).public.clone(),
            };
            infos.push(SubnetInfo {
                id,
                kind,
                nodes,
                canister_ranges,
                deleted: false,
            });
            subnets.push(Subnet {
                place: Arc::new(place),
                certified: OnceLock::new(),
                next: first,
                last,
                outcalls: 0,
                blocks: VecDeque::new(),
                exhausted_by: None,
            });
        }
        let time = config.time.unwrap_or(DEFAULT_TIME);
        Ok(Self {
            time,
            certified_time: time,
            round: 0,
            topology: Arc::new(Topology::new(&infos, root)),
            infos,
            subnets,
            canisters: Canisters::default(),
            ready: BTreeSet::new(),
            stopping: BTreeSet::new(),
            transit: VecDeque::new(),
            outcalls: BTreeMap::new(),
            ingress: BTreeMap::new(),
            answered: VecDeque::new(),
            answered_bytes: 0,
            submissions: BTreeMap::new(),
            submitted: 0,
            draws: 0,
            ledger: Ledger::default(),
            rate_limited: config.rate_limited,
            events: Vec::new(),
            next_event: 0,
            faults: Faults::default(),
        })
    }

    /// All subnets, in the order of the configuration.
    pub fn subnets(&self) -> Vec<&SubnetInfo> {
        self.infos.iter().filter(|info| !info.deleted).collect()
    }

    /// The canister id whose subnet runs management calls that name no other: the first that the first application
    /// subnet gives away, or the first subnet if there is none.
    pub fn default_effective_canister(&self) -> Principal {
        let index = self
            .infos
            .iter()
            .position(|info| info.kind == SubnetKind::Application && !info.deleted)
            .unwrap_or(0);
        canister_id(allocation(index as u64).0)
    }

    /// The subnet whose ranges hold `canister`, whether it exists or not.
    pub fn subnet_of(&self, canister: Principal) -> Option<Principal> {
        self.subnet_index_of(canister)
            .map(|index| self.infos[index].id)
    }

    /// Nanoseconds since 1970.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Sets the time (nanoseconds since 1970) of the next round; queries see that of the last one. Errors: `ns` lies in the past, or beyond the year 2262.
    pub fn set_time(&mut self, ns: u64) -> Result<(), String> {
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

    /// Sets the time (nanoseconds since 1970), and certifies it without executing a round: queries and certificates see
    /// it at once. Errors: as for [`Self::set_time`].
    pub fn set_certified_time(&mut self, ns: u64) -> Result<(), String> {
        self.set_time(ns)?;
        self.certify();
        Ok(())
    }

    /// Executes one round: see the scheduler for what that is.
    pub fn tick(&mut self) {
        self.execute_round(Vec::new());
    }

    /// The same, with blocks made by others than the first node of a subnet; `node_metrics_history` tells of it. Errors: no
    /// such subnet, or it has no such node; then there is no round.
    pub fn tick_with(&mut self, blockmakers: Vec<Blockmakers>) -> Result<(), String> {
        for Blockmakers {
            subnet,
            blockmaker,
            failed,
        } in &blockmakers
        {
            let index = self.subnet_index(*subnet);
            let index = index.ok_or_else(|| format!("there is no subnet {subnet}"))?;
            let nodes = &self.infos[index].nodes;
            let mut makers = std::iter::once(blockmaker).chain(failed);
            if let Some(node) = makers.find(|node| !nodes.contains(node)) {
                return Err(format!("{node} is not a node of subnet {subnet}"));
            }
        }
        self.execute_round(blockmakers);
        Ok(())
    }

    /// Hands in an update call: checks that its callee takes it, lets `canister_inspect_message` decide, and charges the
    /// reception. It is executed in the next round, unless it has become five minutes old before. Equal calls are
    /// different ones.
    pub fn submit(&mut self, ingress: Ingress) -> Result<MessageId, Reject> {
        let subnet = self.admit(&ingress)?;
        let id = self.message_id(&ingress);
        self.receive(id, subnet, ingress);
        Ok(id)
    }

    /// Hands in an update call that has a name already, as agents give it. A call whose name is remembered is not taken in
    /// again.
    pub fn submit_as(&mut self, id: MessageId, ingress: Ingress) -> Result<(), Reject> {
        if !self.ingress.contains_key(&id) {
            let subnet = self.admit(&ingress)?;
            self.receive(id, subnet, ingress);
        }
        Ok(())
    }

    fn receive(&mut self, id: MessageId, subnet: usize, ingress: Ingress) {
        let submission = Submission {
            sender: ingress.sender,
            effective: match ingress.effective {
                Some(EffectivePrincipal::Canister(id) | EffectivePrincipal::Subnet(id)) => id,
                None => ingress.canister,
            },
            subnet,
            round: self.round,
            expires: self.time.saturating_add(INGRESS_TTL),
            digest: OnceLock::new(),
        };
        let request = Request {
            origin: Origin::Ingress(id),
            sender: ingress.sender,
            callee: ingress.canister,
            method: ingress.method,
            payload: ingress.payload,
            caller_info: ingress.caller_info.map(Arc::new),
            cycles: 0,
            deadline: 0,
            subnet: Some(subnet),
            spared: false,
        };
        if self.is_management(request.callee) {
            self.transit
                .push_back((self.round + 1, Input::Request(request)));
        } else {
            self.enqueue(request.callee, Input::Request(request));
        }
        self.ingress.insert(id, IngressStatus::Received);
        self.submissions.insert(id, submission);
    }

    /// Notes the outcome of an ingress message, and forgets the oldest ones if they are too many or too large.
    pub(crate) fn answer_ingress(&mut self, id: MessageId, result: Result<Vec<u8>, Reject>) {
        self.answered_bytes += bytes_of(&result);
        self.answered.push_back(id);
        self.ingress.insert(id, IngressStatus::Done(result));
        while self.answered.len() > REMEMBERED
            || (self.answered_bytes > REMEMBERED_BYTES && self.answered.len() > 1)
        {
            let Some(old) = self.answered.pop_front() else {
                break;
            };
            self.submissions.remove(&old);
            if let Some(IngressStatus::Done(result)) = self.ingress.remove(&old) {
                self.answered_bytes -= bytes_of(&result);
            }
        }
    }

    /// How far a submitted message has come. The outcomes of the last 20,000 messages are remembered, as long as
    /// they have no more than 256 MiB in all.
    pub fn ingress_status(&self, id: &MessageId) -> IngressStatus {
        self.ingress
            .get(id)
            .cloned()
            .unwrap_or(IngressStatus::Unknown)
    }

    /// Who sent a message that is remembered.
    pub fn ingress_sender(&self, id: &MessageId) -> Option<Principal> {
        self.submissions.get(id).map(|submission| submission.sender)
    }

    /// Executes rounds until the message is answered. Errors: no such message; 100 rounds without an answer.
    pub fn await_ingress(&mut self, id: &MessageId) -> Result<Result<Vec<u8>, Reject>, String> {
        for _ in 0..=PATIENCE {
            match self.ingress.get(id) {
                None => return Err("there is no such ingress message".into()),
                Some(IngressStatus::Done(result)) => return Ok(result.clone()),
                Some(_) => self.tick(),
            }
        }
        Err(format!(
            "the update call was not answered within {PATIENCE} rounds"
        ))
    }

    /// Executes a query call; nothing it does is kept.
    pub fn query(&mut self, ingress: Ingress) -> Result<Vec<u8>, Reject> {
        self.answer_query(ingress)
    }

    /// Whether there is such a canister.
    pub fn canister_exists(&self, canister: Principal) -> bool {
        self.canisters.contains_key(&canister)
    }

    /// Its controllers.
    pub fn controllers(&self, canister: Principal) -> Option<Vec<Principal>> {
        Some(self.canisters.get(&canister)?.settings.controllers.clone())
    }

    /// Its balance, in cycles.
    pub fn cycles(&self, canister: Principal) -> Option<u128> {
        Some(self.canisters.get(&canister)?.balance)
    }

    /// Mints cycles into a canister; answers the new balance. `None`: no such canister, or more cycles than there can be.
    pub fn add_cycles(&mut self, canister: Principal, amount: u128) -> Option<u128> {
        let minted = self.ledger.minted.checked_add(amount)?;
        let canister = self.canister_mut(canister)?;
        canister.balance = canister.balance.checked_add(amount)?;
        let balance = canister.balance;
        self.ledger.minted = minted;
        Some(balance)
    }

    /// Its stable memory, whole. `None`: no such canister, or more than 8 GiB.
    pub fn stable_memory(&self, canister: Principal) -> Option<Vec<u8>> {
        self.canisters.get(&canister)?.stable.to_vec()
    }

    /// Replaces its stable memory. Errors: no such canister, an empty one, or too many bytes.
    pub fn set_stable_memory(&mut self, canister: Principal, bytes: Vec<u8>) -> Result<(), String> {
        let stable = Stable::from_bytes(&bytes).ok_or("stable memory cannot have so many bytes")?;
        let found = self
            .canister_mut(canister)
            .ok_or_else(|| format!("there is no canister {canister}"))?;
        if found.code.is_none() {
            return Err(format!("canister {canister} is empty: install code first"));
        }
        found.stable = stable;
        Ok(())
    }

    /// All canisters, in the order of their ids.
    pub fn canisters(&self) -> Vec<Principal> {
        self.canisters.keys().copied().collect()
    }

    /// The last messages executed, oldest first; `Event::seq` numbers them. At least the last 10,000 are kept.
    pub fn trace(&self) -> &[Event] {
        &self.events
    }

    /// Injects a fault, behind those that are there.
    ///
    /// ```
    /// use canic_replica::{Config, Effect, Fault, RejectCode, Replica, SubnetKind};
    ///
    /// let mut replica = Replica::new(Config { subnets: vec![SubnetKind::Application], time: None, rate_limited: true }).unwrap();
    /// let mut fork = replica.clone();
    /// fork.inject(Fault::on_call(Effect::reject(RejectCode::SysTransient)).method("raw_rand"));
    /// assert_eq!((replica.faults().len(), fork.faults().len()), (0, 1));
    /// ```
    pub fn inject(&mut self, fault: Fault) {
        self.faults.planted.push(Planted { fault, seen: 0 });
    }

    /// Draws faults from a seed from now on, or no more.
    pub fn set_chaos(&mut self, chaos: Option<Chaos>) {
        self.faults.chaos = chaos;
    }

    /// The faults that were injected, also those that struck already.
    pub fn faults(&self) -> &[Planted] {
        &self.faults.planted
    }

    /// Takes back all faults, and draws no more.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// What struck so far, oldest first; at least the last 10,000.
    pub fn strikes(&self) -> &[Strike] {
        &self.faults.strikes
    }

    /// Where all cycles are.
    pub fn accounts(&self) -> Accounts {
        let mut accounts = Accounts {
            minted: self.ledger.minted,
            balances: 0,
            in_flight: 0,
            fees: self.ledger.fees,
            burnt: self.ledger.burnt,
            destroyed: self.ledger.destroyed,
        };
        let carried = |input: &Input| match input {
            Input::Request(Request { cycles, .. }) => *cycles,
            Input::Response(Response { refund, .. }) => *refund,
        };
        accounts.in_flight += self
            .transit
            .iter()
            .map(|(_, input)| carried(input))
            .sum::<u128>();
        accounts.in_flight += self.outcalls.values().map(outcalls::held).sum::<u128>();
        for canister in self.canisters.values() {
            if let Status::Stopping(stoppers) = &canister.status {
                let carried = stoppers.iter().map(|stopper| stopper.request.cycles);
                accounts.in_flight += carried.sum::<u128>();
            }
            accounts.balances += canister.balance;
            accounts.in_flight += canister.inputs.iter().map(carried).sum::<u128>()
                + canister
                    .contexts
                    .values()
                    .map(|context| context.available)
                    .sum::<u128>()
                + canister
                    .callbacks
                    .values()
                    .map(|callback| callback.set_aside)
                    .sum::<u128>();
        }
        accounts
    }

    /// The public key of the root subnet, DER: that of the NNS, or of the first subnet where there is none. It verifies
    /// all certificates of the instance.
    pub fn root_key(&self) -> Vec<u8> {
        self.topology.root_key().to_vec()
    }

    /// The public key of a subnet, DER.
    pub fn public_key(&self, subnet: Principal) -> Option<Vec<u8>> {
        let index = self.subnet_index(subnet)?;
        Some(self.topology.public_key(index).to_vec())
    }
}

// What the other rooms need.
impl Replica {
    pub(crate) fn canister_mut(&mut self, id: Principal) -> Option<&mut Canister> {
        self.canisters.get_mut(id)
    }

    pub(crate) fn prices(&self, canister: &Canister) -> Prices {
        self.subnets[canister.subnet].place.prices
    }

    /// Puts a message into a canister's queue. The canister exists.
    pub(crate) fn enqueue(&mut self, id: Principal, input: Input) {
        let Some(canister) = self.canisters.get(&id) else {
            return;
        };
        let sender = match &input {
            Input::Request(Request {
                origin: Origin::Ingress(_),
                ..
            }) => None,
            Input::Request(request) => Some(request.sender),
            Input::Response(response) => Some(
                canister
                    .callbacks
                    .get(&response.callback)
                    .map_or(response.to, |callback| callback.callee),
            ),
        };
        let far = |sender| {
            let sender = self.canisters.get(&sender);
            sender.is_some_and(|sender| sender.subnet != canister.subnet)
        };
        let source = match sender {
            None => Source::User,
            Some(sender) if far(sender) => Source::Far(sender),
            Some(sender) => Source::Near(sender),
        };
        if let Some(canister) = self.canister_mut(id) {
            canister.inputs.push(source, input);
            self.ready.insert(id);
        }
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

    /// Which subnet is the NNS: as on PocketIC, the first one if none of that kind is there.
    pub(crate) fn nns(&self) -> usize {
        let is_nns = |info: &SubnetInfo| info.kind == SubnetKind::NNS;
        self.infos.iter().position(is_nns).unwrap_or(0)
    }

    /// Whether some subnet gives this id to new canisters.
    pub(crate) fn is_allocatable(&self, canister: Principal) -> bool {
        (0..self.infos.len() as u64).any(|subnet| {
            let (first, last) = allocation(subnet);
            (canister_id(first)..=canister_id(last)).contains(&canister)
        })
    }

    /// An id that no canister of the subnet has or had. `None`: they are used up.
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

    /// 32 bytes that nobody inside can foresee, and that are the same whenever the inputs were the same.
    pub(crate) fn draw(&mut self) -> [u8; 32] {
        self.draws += 1;
        let mut hasher = Sha256::new();
        hasher.update(b"randomness");
        hasher.update(self.draws.to_be_bytes());
        hasher.update(self.round.to_be_bytes());
        hasher.finalize().into()
    }

    /// Equal messages are different ones, as the client puts no nonce into them: they are numbered. That makes names enough;
    /// the payload, which may be a module, is left out.
    fn message_id(&mut self, ingress: &Ingress) -> MessageId {
        self.submitted += 1;
        let mut hasher = Sha256::new();
        hasher.update(self.submitted.to_be_bytes());
        for part in [
            ingress.sender.as_slice(),
            ingress.canister.as_slice(),
            ingress.method.as_bytes(),
        ] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

/// Bytes that an outcome takes, roughly.
fn bytes_of(result: &Result<Vec<u8>, Reject>) -> usize {
    match result {
        Ok(reply) => reply.len(),
        Err(reject) => reject.message.len(),
    }
}

/// Beyond the last time there is no room left for deadlines.
fn check_time(ns: u64) -> Result<(), String> {
    if i64::try_from(ns).is_err() {
        return Err(format!(
            "the time {ns} is too far in the future: at most {} nanoseconds since 1970",
            i64::MAX
        ));
    }
    Ok(())
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

/// The canister ids that a subnet gives to new canisters, by number: as on PocketIC, far away from those of the network.
fn allocation(subnet: u64) -> (u64, u64) {
    let first = 0xffff_ffff_ffe0_0000 - subnet * 0x20_0000;
    (first, first + 0xf_ffff)
}

fn canister_id(number: u64) -> Principal {
    let mut bytes = [1; 10];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Principal::from_slice(&bytes)
}
