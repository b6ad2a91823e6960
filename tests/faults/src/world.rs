//! A world: an instance with a root on it, driven from outside.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::Write,
    mem,
    sync::Arc,
};

use candid::{
    CandidType, Decode, Encode, Principal,
    utils::{ArgumentEncoder, encode_args},
};
use canic::api::{
    ApproveRequest, Denied, MemberInfo, MemberState, MembersFilter, MembersPage, MembersRequest,
    Metric, MetricsPage, ModuleError, ModuleInfo, OperationInfo, OperationsFilter, OperationsPage,
    OperationsRequest, PageRequest, PoolEntry, PoolPage, RolloutInfo, RolloutPhase, RolloutsPage,
    StageRequest, StagedChunk,
};
use canic_fleet_tests::{
    artifacts,
    fleet::{CHUNK, sha256},
    ledgers::START,
    settings::{Record, part_of_status},
    user,
};
use canic_replica::{
    Config, Effect, EffectivePrincipal, Event, Ingress, IngressStatus, Kind, MessageId, Outcome,
    Reject, Replica, SubnetKind, SystemCanisters,
};
use flate2::{Compression, write::GzEncoder};
use ic_management_canister_types::{
    CanisterIdRecord, CanisterInstallMode, CanisterSettings, CanisterStatusResult, InstallCodeArgs,
    ProvisionalCreateCanisterWithCyclesArgs, ProvisionalCreateCanisterWithCyclesResult,
    UpdateSettingsArgs,
};
use serde::de::DeserializeOwned;

use crate::{
    audit::rollouts::{check_round, is_let_go_on},
    writer::{self, Writer},
};

/// 10^12 cycles.
pub const T: u128 = 1_000_000_000_000;

/// In seconds.
pub const DAY: u64 = 86_400;

/// In nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

/// The platform's default, in seconds: 30 days.
pub(crate) const DEFAULT_FREEZING_THRESHOLD: u64 = 2_592_000;

/// The platform's code for a canister that can't pay for a message.
const OUT_OF_CYCLES: &str = "IC0207";

/// The method that the timers of ic-cdk call on their own canister.
pub const TIMER: &str = "<ic-cdk internal> timer_executor";

/// Tries of a request to the management canister, of which faults may take some.
const MAX_TRIES: usize = 100;

/// Rounds within which a fleet must become quiet. An operation pauses for a minute at most, and
/// time jumps when nothing runs.
const MAX_ROUNDS: u32 = 2_000;

/// Rounds without execution after which a fleet is quiet: longer than any pause of an open
/// operation or of a refill of the pool.
const QUIET_ROUNDS: u32 = 9;

/// Rounds without execution after which nothing will ever run: longer than any message is delayed.
const STUCK_ROUNDS: u32 = 100;

/// An instance with a root on it. A clone continues independently from the same state.
#[derive(Clone)]
pub struct World {
    /// The instance.
    pub replica: Replica,
    /// Root.
    pub root: Principal,
    /// The package of root's module.
    pub package: &'static str,
    /// Calls that were submitted for the audit, in their order.
    pub requests: Vec<Request>,
    /// The maximum of the workers' role.
    pub capacity: usize,
    /// Root's reserve: cycles that it does not spend.
    pub reserve: u128,
    /// Members that need not know all that concerns them: their timers are gone, and root may have
    /// had nothing to announce since.
    pub deaf: BTreeSet<Principal>,
    /// The roles that watchers watch.
    pub watched: &'static [&'static str],
    /// Writes to members all the time.
    pub writer: Writer,
    /// What happens once a rollout is where a cue says, in their order.
    pub(crate) cues: VecDeque<Cue>,
    /// What a scenario promises beyond the audit when nothing fails.
    pub(crate) expectation: Option<fn(&mut World) -> Vec<String>>,
    /// What was wrong while the scenario ran.
    pub(crate) seen: BTreeSet<String>,
    /// Canisters that an operator stopped by hand, not by root.
    pub(crate) stopped: BTreeSet<Principal>,
    module: Arc<Vec<u8>>,
    /// The modules that root was asked to approve, by hash.
    modules: BTreeMap<Vec<u8>, Arc<Vec<u8>>>,
    /// Rounds in a row in which nothing ran.
    idle: u32,
    /// Canisters whose freezing threshold was raised.
    frozen: BTreeSet<Principal>,
    /// What root did by calls that succeeded.
    pub done: Done,
    /// Cycles that root deposited, by day since 1970.
    pub deposits: BTreeMap<u64, u128>,
    /// Events of the trace that `done` has.
    counted: u64,
}

/// Something that happens once a rollout is somewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cue {
    /// Whether the newest rollout is there.
    pub(crate) when: fn(&RolloutInfo) -> bool,
    /// What happens then.
    pub(crate) act: fn(&mut World, &RolloutInfo),
}

/// What root did by successful calls of the management canister. The trace forgets old events, and
/// these sums don't.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Cycles that root attached to creations and deposits.
    pub sent: u128,
    /// Canisters that root deleted.
    pub deleted: u64,
}

/// A call that was submitted.
#[derive(Clone, Debug)]
pub struct Request {
    /// The caller.
    pub sender: Principal,
    /// The callee.
    pub canister: Principal,
    /// The method.
    pub method: &'static str,
    /// The encoded argument.
    pub argument: Vec<u8>,
    /// The id of the message; `None` if the platform did not accept it.
    pub message: Option<MessageId>,
}

/// The answer to a call.
pub type Answer = Result<Vec<u8>, Reject>;

impl World {
    /// A fresh instance with a root of this package, which holds `cycles`.
    ///
    /// # Panics
    /// When the instance or root can't be created.
    #[must_use]
    pub fn start(package: &'static str, cycles: u128) -> Self {
        Self::start_on(1, package, cycles)
    }

    /// A fresh instance with so many application subnets, and a root of this package on the first.
    ///
    /// # Panics
    /// When the instance or root can't be created.
    #[must_use]
    pub fn start_on(subnets: usize, package: &'static str, cycles: u128) -> Self {
        let config = Config {
            subnets: vec![SubnetKind::Application; subnets],
            ..Config::default()
        };
        Self::start_in(config, package, cycles)
    }

    /// A fresh instance with the network's ledgers and the cycles minting canister, and a root of
    /// this package.
    pub(crate) fn start_with_ledgers(package: &'static str, cycles: u128) -> Self {
        let config = Config {
            subnets: vec![SubnetKind::Application, SubnetKind::NNS, SubnetKind::II],
            time: Some(START),
            system_canisters: SystemCanisters {
                icp_ledger: true,
                cycles_ledger: true,
                cycles_minting: true,
            },
            ..Config::default()
        };
        Self::start_in(config, package, cycles)
    }

    fn start_in(config: Config, package: &'static str, cycles: u128) -> Self {
        let replica = Replica::new(config).expect("an instance");
        let mut world = Self {
            replica,
            root: Principal::anonymous(),
            package,
            requests: Vec::new(),
            capacity: 0,
            reserve: 0,
            deaf: BTreeSet::new(),
            watched: &[],
            writer: Writer::default(),
            cues: VecDeque::new(),
            expectation: None,
            seen: BTreeSet::new(),
            stopped: BTreeSet::new(),
            module: Arc::new(packed(artifacts::module(package))),
            modules: BTreeMap::new(),
            idle: 0,
            frozen: BTreeSet::new(),
            done: Done::default(),
            deposits: BTreeMap::new(),
            counted: 0,
        };
        world.root = world.create(controller(), cycles);
        let install = world.install_args(CanisterInstallMode::Install);
        world
            .manage(controller(), "install_code", world.root, &install)
            .expect("root can be installed");
        world
    }

    /// Stages a module, and approves it for a role.
    ///
    /// # Panics
    /// When root refuses.
    pub fn approve(&mut self, role: &str, package: &str) {
        self.approve_module(role, &artifacts::module(package));
    }

    /// Stages a module given as bytes, and approves it for a role.
    ///
    /// # Panics
    /// When root refuses.
    pub fn approve_module(&mut self, role: &str, wasm: &[u8]) {
        let request = self.stage(role, wasm);
        let approved: Result<ModuleInfo, ModuleError> =
            self.ask(controller(), "canic_module_approve", (request,));
        approved.expect("the module is approved");
    }

    /// Stages a module given as bytes. Answers the request that approves it for a role.
    pub(crate) fn stage(&mut self, role: &str, wasm: &[u8]) -> ApproveRequest {
        let mut chunks = Vec::new();
        for chunk in wasm.chunks(CHUNK) {
            let chunk = chunk.to_vec();
            let staged: Result<StagedChunk, ModuleError> = self.ask(
                controller(),
                "canic_module_stage",
                (StageRequest { chunk },),
            );
            chunks.push(staged.expect("the chunk is taken").hash.into());
        }
        self.know_module(wasm);
        ApproveRequest {
            role: role.to_string(),
            hash: sha256(wasm),
            chunks,
            manual: None,
        }
    }

    /// Keeps a module for upgrades of the members that root installs with it.
    pub fn know_module(&mut self, wasm: &[u8]) {
        self.modules.insert(sha256(wasm), Arc::new(wasm.to_vec()));
    }

    /// A new canister with `cycles` on root's subnet, controlled by `owner`.
    ///
    /// # Panics
    /// When the canister can't be created.
    pub fn create(&mut self, owner: Principal, cycles: u128) -> Principal {
        self.try_create(owner, cycles)
            .expect("a canister can be created")
    }

    /// A new canister with `cycles` on root's subnet, controlled by `owner`.
    ///
    /// # Errors
    /// The platform's reject.
    pub fn try_create(&mut self, owner: Principal, cycles: u128) -> Result<Principal, Reject> {
        let first = self.replica.subnets()[0].id;
        self.create_on(first, owner, cycles)
    }

    /// A new canister on a subnet.
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When the answer is of another type.
    pub fn create_on(
        &mut self,
        subnet: Principal,
        owner: Principal,
        cycles: u128,
    ) -> Result<Principal, Reject> {
        let args = ProvisionalCreateCanisterWithCyclesArgs {
            amount: Some(cycles.into()),
            ..Default::default()
        };
        let method = "provisional_create_canister_with_cycles";
        let subnet = EffectivePrincipal::Subnet(subnet);
        let reply = self.manage_through(subnet, owner, method, &args)?;
        let created = Decode!(&reply, ProvisionalCreateCanisterWithCyclesResult);
        Ok(created.expect("the platform's type").canister_id)
    }

    /// Replaces the controllers of a canister.
    ///
    /// # Panics
    /// When `owner` does not control it.
    pub fn set_controllers(&mut self, owner: Principal, canister: Principal, all: Vec<Principal>) {
        let settings = CanisterSettings {
            controllers: Some(all),
            ..Default::default()
        };
        self.set(owner, canister, settings)
            .expect("the settings are accepted");
    }

    /// Sets settings of a canister.
    ///
    /// # Errors
    /// The platform's reject.
    pub fn set(
        &mut self,
        owner: Principal,
        canister: Principal,
        settings: CanisterSettings,
    ) -> Answer {
        let args = UpdateSettingsArgs {
            canister_id: canister,
            settings,
            sender_canister_version: None,
        };
        self.manage(owner, "update_settings", canister, &args)
    }

    /// Installs a package's module without root.
    ///
    /// # Panics
    /// When the module can't be installed.
    pub fn install(&mut self, owner: Principal, canister: Principal, package: &str, arg: Vec<u8>) {
        self.try_install(owner, canister, package, arg)
            .expect("the module is installed");
    }

    /// Installs a package's module without root.
    ///
    /// # Errors
    /// The platform's reject.
    pub fn try_install(
        &mut self,
        owner: Principal,
        canister: Principal,
        package: &str,
        arg: Vec<u8>,
    ) -> Answer {
        let args = InstallCodeArgs {
            mode: CanisterInstallMode::Install,
            canister_id: canister,
            wasm_module: artifacts::module(package),
            arg,
            sender_canister_version: None,
        };
        self.manage(owner, "install_code", canister, &args)
    }

    fn install_args(&self, mode: CanisterInstallMode) -> InstallCodeArgs {
        InstallCodeArgs {
            mode,
            canister_id: self.root,
            wasm_module: self.module.to_vec(),
            arg: Encode!().expect("no argument"),
            sender_canister_version: None,
        }
    }

    // Calls

    /// Submits a call.
    ///
    /// # Errors
    /// When the platform does not accept it.
    pub fn submit(
        &mut self,
        sender: Principal,
        canister: Principal,
        method: &str,
        payload: Vec<u8>,
    ) -> Result<MessageId, Reject> {
        self.replica.submit(Ingress {
            sender,
            canister,
            method: method.to_string(),
            payload,
            effective: None,
            caller_info: None,
        })
    }

    /// Submits a call, and records it for the audit.
    ///
    /// # Panics
    /// When the argument can't be encoded.
    pub fn begin(
        &mut self,
        sender: Principal,
        canister: Principal,
        method: &'static str,
        args: impl ArgumentEncoder,
    ) {
        let argument = encode_args(args).expect("the argument can be encoded");
        let message = self.submit(sender, canister, method, argument.clone()).ok();
        self.requests.push(Request {
            sender,
            canister,
            method,
            argument,
            message,
        });
    }

    /// The answer to a call, once there is one.
    #[must_use]
    pub fn answer(&self, message: &MessageId) -> Option<Answer> {
        match self.replica.ingress_status(message) {
            IngressStatus::Done(answer) => Some(answer),
            IngressStatus::Unknown | IngressStatus::Received | IngressStatus::Processing => None,
        }
    }

    /// Calls, and waits for the answer.
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When there is no answer within the most rounds that a fleet may need.
    pub fn call(
        &mut self,
        sender: Principal,
        canister: Principal,
        method: &str,
        payload: Vec<u8>,
    ) -> Answer {
        let message = self.submit(sender, canister, method, payload)?;
        self.wait_for(&message)
    }

    /// Waits for the answer to a submitted call.
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When there is no answer within the most rounds that a fleet may need.
    pub fn wait_for(&mut self, message: &MessageId) -> Answer {
        for round in 0..MAX_ROUNDS {
            if let Some(answer) = self.answer(message) {
                return answer;
            }
            // Time stands still at first: messages in transit need rounds, not time.
            if round < 100 {
                self.tick();
            } else {
                self.step();
            }
        }
        panic!("a call was never answered");
    }

    /// Calls root, and waits for its answer.
    ///
    /// # Panics
    /// When the call is rejected, or the answer is of another type.
    pub fn ask<R: CandidType + DeserializeOwned>(
        &mut self,
        sender: Principal,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> R {
        let payload = encode_args(args).expect("the argument can be encoded");
        let answer = self.call(sender, self.root, method, payload);
        let bytes = answer.unwrap_or_else(|reject| panic!("{method}: {reject:?}"));
        Decode!(&bytes, R).unwrap_or_else(|e| panic!("{method}: {e}"))
    }

    /// Calls the management canister, and waits for its answer.
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When the argument can't be encoded.
    pub fn manage(
        &mut self,
        sender: Principal,
        method: &str,
        canister: Principal,
        args: &impl CandidType,
    ) -> Answer {
        self.manage_through(EffectivePrincipal::Canister(canister), sender, method, args)
    }

    fn manage_through(
        &mut self,
        effective: EffectivePrincipal,
        sender: Principal,
        method: &str,
        args: &impl CandidType,
    ) -> Answer {
        let message = self.replica.submit(Ingress {
            sender,
            canister: Principal::management_canister(),
            method: method.to_string(),
            payload: Encode!(args).expect("the argument can be encoded"),
            effective: Some(effective),
            caller_info: None,
        })?;
        self.wait_for(&message)
    }

    // Acts of root's operator

    /// Upgrades root to its own module, whether or not it is idle.
    ///
    /// # Errors
    /// When `canister_pre_upgrade` refuses.
    pub fn upgrade_root(&mut self) -> Answer {
        let args = self.install_args(CanisterInstallMode::Upgrade(None));
        self.manage(controller(), "install_code", self.root, &args)
    }

    /// Upgrades root to the module of another package.
    ///
    /// # Panics
    /// When root can't be upgraded.
    pub fn upgrade_root_to(&mut self, package: &'static str) {
        self.package = package;
        self.module = Arc::new(packed(artifacts::module(package)));
        self.upgrade_root().expect("root can be upgraded");
    }

    /// Upgrades root to another build of its package.
    ///
    /// # Errors
    /// When `canister_pre_upgrade` refuses.
    pub(crate) fn upgrade_root_to_build(&mut self, wasm: Vec<u8>) -> Answer {
        self.module = Arc::new(packed(wasm));
        self.upgrade_root()
    }

    /// Whether a call of a canister's timers to itself, or its answer, is delayed by a fault.
    #[must_use]
    pub fn waits_for_timers(&self) -> bool {
        let round = self.replica.trace().last().map_or(0, |event| event.round);
        self.replica.fired_faults().iter().any(|fired_fault| {
            let of_timer = fired_fault.fault.method.as_deref() == Some(TIMER);
            matches!(fired_fault.fault.effect, Effect::Delay { rounds }
                if of_timer && fired_fault.round + rounds + 1 >= round)
        })
    }

    /// Stops root, which first waits for all answers to its calls.
    ///
    /// # Errors
    /// When these take longer than the platform waits.
    pub fn stop_root(&mut self) -> Answer {
        self.manage_root("stop_canister")
    }

    /// Starts root, and tries again while a fault keeps the request from the platform.
    ///
    /// # Panics
    /// When no try succeeds: without faults, a canister can be started at any time.
    pub fn start_root(&mut self) {
        let started = (0..MAX_TRIES).any(|_| self.manage_root("start_canister").is_ok());
        assert!(started, "root does not start");
    }

    fn manage_root(&mut self, method: &str) -> Answer {
        let args = CanisterIdRecord {
            canister_id: self.root,
        };
        self.manage(controller(), method, self.root, &args)
    }

    /// Stops or starts all canisters that root controls, except root itself.
    pub fn all_members(&mut self, method: &str) {
        for canister in self.controlled() {
            if method == "stop_canister" {
                self.stopped.insert(canister);
            }
            let args = CanisterIdRecord {
                canister_id: canister,
            };
            // A canister that can't be stopped, or is deleted by now, is one more failure for root.
            drop(self.manage(self.root, method, canister, &args));
        }
    }

    /// Stops or starts a canister that root controls.
    pub fn manage_member(&mut self, method: &str, canister: Principal) {
        if method == "stop_canister" {
            self.stopped.insert(canister);
        }
        let args = CanisterIdRecord {
            canister_id: canister,
        };
        self.manage_with_retry(method, canister, &args);
    }

    /// Calls the management canister, and again if it rejects: a fault may fire at the first call.
    fn manage_with_retry(&mut self, method: &str, canister: Principal, args: &impl CandidType) {
        if self.manage(self.root, method, canister, args).is_err() {
            drop(self.manage(self.root, method, canister, args));
        }
    }

    /// Upgrades every member to its own module, if the member lets it.
    pub fn upgrade_members(&mut self) {
        for member in self.members() {
            self.upgrade(&member);
        }
    }

    /// Upgrades a member to the module that it has; a member that can't be upgraded now, or on
    /// which root works, stays as it is.
    pub fn upgrade(&mut self, member: &MemberInfo) {
        let mut members = self.members().into_iter();
        let member = members.find(|now| now.canister == member.canister);
        let Some(member) = member.filter(|now| now.state == MemberState::Active) else {
            return;
        };
        if self.waits_for_timers() {
            return;
        }
        let Some(module) = self.modules.get(&member.module) else {
            return;
        };
        let args = InstallCodeArgs {
            mode: CanisterInstallMode::Upgrade(None),
            canister_id: member.canister,
            wasm_module: module.to_vec(),
            arg: Encode!().expect("no argument"),
            sender_canister_version: None,
        };
        drop(self.manage(self.root, "install_code", member.canister, &args));
    }

    /// Sets a canister's freezing threshold, in seconds. A long threshold freezes the canister.
    pub fn freeze(&mut self, canister: Principal, seconds: u64) {
        let args = UpdateSettingsArgs {
            canister_id: canister,
            settings: CanisterSettings {
                freezing_threshold: Some(seconds.into()),
                ..Default::default()
            },
            sender_canister_version: None,
        };
        self.manage_with_retry("update_settings", canister, &args);
        if seconds > DEFAULT_FREEZING_THRESHOLD {
            self.frozen.insert(canister);
        }
    }

    /// Sets the freezing threshold of all canisters that were frozen back to the default.
    pub(crate) fn thaw_all(&mut self) {
        for canister in mem::take(&mut self.frozen) {
            self.freeze(canister, DEFAULT_FREEZING_THRESHOLD);
        }
    }

    // Time

    /// Executes `count` rounds.
    pub fn rounds(&mut self, count: u32) {
        for _ in 0..count {
            self.step();
        }
    }

    /// Executes rounds until two in a row execute nothing. Time stands still.
    pub fn rounds_until_quiet(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            let before = self.events();
            self.tick();
            quiet = if self.events() == before {
                quiet + 1
            } else {
                0
            };
        }
    }

    /// Executes a round. When nothing runs, time moves on: the longer nothing runs, the faster.
    pub fn step(&mut self) {
        let before = self.events();
        self.tick();
        let new = self.replica.trace().iter().rev();
        let mut new = new.take_while(|event| event.seq >= before);
        if new.any(|event| !is_vain_delivery(event)) {
            self.idle = 0;
        } else {
            self.idle += 1;
            self.pass(SECOND << self.idle.min(6));
        }
    }

    /// Executes a round, and adds what root did to `done`.
    fn tick(&mut self) {
        self.writer.write(&mut self.replica, self.idle);
        self.replica.tick();
        let (root, counted) = (self.root, self.counted);
        self.counted = self.events();
        let new = self.replica.trace().iter().rev();
        for event in new.take_while(|event| event.seq >= counted) {
            if event.kind == Kind::Management
                && event.caller == root
                && event.outcome == Outcome::Reply
            {
                match event.method.as_str() {
                    "create_canister" => self.done.sent += event.cycles,
                    "deposit_cycles" => {
                        self.done.sent += event.cycles;
                        let day = event.time / SECOND / DAY;
                        *self.deposits.entry(day).or_default() += event.cycles;
                    }
                    "delete_canister" => self.done.deleted += 1,
                    _ => {}
                }
            }
        }
    }

    /// Lets nanoseconds pass.
    ///
    /// # Panics
    /// Beyond the year 2262.
    pub fn pass(&mut self, nanoseconds: u64) {
        let then = self.replica.time() + nanoseconds;
        self.replica
            .set_time(then)
            .expect("the year is before 2262");
    }

    /// Lets time pass until nothing has run for minutes. It calls no method of root, so that it
    /// works with any root.
    ///
    /// # Errors
    /// When the fleet never becomes idle.
    pub fn rest(&mut self) -> Result<(), String> {
        self.idle = 0;
        for _ in 0..MAX_ROUNDS {
            self.step();
            if self.idle >= QUIET_ROUNDS {
                return Ok(());
            }
        }
        Err("the fleet never becomes idle".to_string())
    }

    /// The number of the next event of the trace.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.replica.trace().last().map_or(0, |event| event.seq + 1)
    }

    /// Lets time pass until nothing runs any more, no operation is open, and no rollout goes on.
    /// `watch` is called after every round.
    ///
    /// # Errors
    /// What is still open after the most rounds that a fleet may need.
    pub fn settle(&mut self, mut watch: impl FnMut(&mut Self)) -> Result<(), String> {
        // Rounds without execution before this call don't count: there may be new messages.
        self.idle = 0;
        for _ in 0..MAX_ROUNDS {
            self.step();
            watch(self);
            self.follow_cues();
            if self.idle >= QUIET_ROUNDS
                && self.operations(OperationsFilter::Open).is_empty()
                && self.open_rollouts().iter().all(|one| one.paused.is_some())
            {
                return Ok(());
            }
            if self.idle >= STUCK_ROUNDS {
                break;
            }
        }
        let open = self.operations(OperationsFilter::Open);
        let rollouts = self.open_rollouts();
        let last: Vec<_> = self.replica.trace().iter().rev().take(6).collect();
        Err(format!(
            "the fleet does not become quiet: {open:?}; {rollouts:?}; last: {last:?}"
        ))
    }

    /// Looks at the newest rollout, unless nothing has happened, and lets happen what its cue says.
    fn follow_cues(&mut self) {
        if self.idle > 0 || !self.writer.is_writing() {
            return;
        }
        let rollouts = self.rollouts();
        let go_on = is_let_go_on(self);
        let problems = rollouts.iter().flat_map(|one| check_round(one, go_on));
        self.seen.extend(problems);
        if let (Some(cue), Some(newest)) = (self.cues.front().copied(), rollouts.last())
            && (cue.when)(newest)
        {
            self.cues.pop_front();
            (cue.act)(self, newest);
        }
    }

    // Root's records

    /// Queries root as its controller.
    ///
    /// # Panics
    /// When root rejects, or the answer is of another type.
    pub fn query<R: CandidType + DeserializeOwned>(
        &mut self,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> R {
        let answer = self.replica.query(Ingress {
            sender: controller(),
            canister: self.root,
            method: method.to_string(),
            payload: encode_args(args).expect("the argument can be encoded"),
            effective: None,
            caller_info: None,
        });
        let bytes = answer.unwrap_or_else(|reject| panic!("{method}: {reject:?}"));
        Decode!(&bytes, R).unwrap_or_else(|e| panic!("{method}: {e}"))
    }

    /// All members.
    pub fn members(&mut self) -> Vec<MemberInfo> {
        let request = MembersRequest {
            filter: MembersFilter::All,
            after: None,
            limit: canic::api::MAX_PAGE,
        };
        let page: Result<MembersPage, Denied> = self.query("canic_members", (request,));
        page.expect("root's controller may ask").members
    }

    /// The pool.
    pub fn pool(&mut self) -> Vec<PoolEntry> {
        let page: Result<PoolPage, Denied> = self.query("canic_pool", (first_page(),));
        page.expect("root's controller may ask").entries
    }

    /// The operations that a filter selects.
    pub fn operations(&mut self, filter: OperationsFilter) -> Vec<OperationInfo> {
        let request = OperationsRequest {
            filter,
            after: None,
            limit: canic::api::MAX_PAGE,
        };
        let page: Result<OperationsPage, Denied> = self.query("canic_operations", (request,));
        page.expect("root's controller may ask").operations
    }

    /// All rollouts.
    pub fn rollouts(&mut self) -> Vec<RolloutInfo> {
        let page: Result<RolloutsPage, Denied> = self.query("canic_rollouts", (first_page(),));
        page.expect("root's controller may ask").rollouts
    }

    /// The rollouts that have not ended.
    pub fn open_rollouts(&mut self) -> Vec<RolloutInfo> {
        let mut rollouts = self.rollouts();
        rollouts.retain(|rollout| rollout.phase != RolloutPhase::Ended);
        rollouts
    }

    /// Root's ledger: cycles by purpose, and as `unknown` the cycles that were lost from sight.
    pub fn sheet(&mut self) -> BTreeMap<String, u128> {
        let page: Result<MetricsPage, Denied> = self.query("canic_metrics", (first_page(),));
        let metrics = page.expect("root's controller may ask").metrics;
        let purpose = |metric: &Metric| match metric.name.as_str() {
            "canic_cycles_total" => Some(metric.labels.first()?.1.clone()),
            "canic_cycles_unknown" => Some("unknown".to_string()),
            _ => None,
        };
        metrics
            .iter()
            .filter_map(|metric| Some((purpose(metric)?, metric.value as u128)))
            .collect()
    }

    // The replica's facts

    /// All canisters that root controls, except root itself.
    #[must_use]
    pub fn controlled(&self) -> Vec<Principal> {
        self.controlled_by(self.root)
    }

    /// All canisters that `owner` controls, except root.
    #[must_use]
    pub fn controlled_by(&self, owner: Principal) -> Vec<Principal> {
        let mut all = self.replica.canisters();
        all.retain(|canister| {
            let controllers = self.replica.controllers(*canister);
            *canister != self.root && controllers.is_some_and(|all| all.contains(&owner))
        });
        all
    }

    /// The status of a canister, asked for by root as its controller.
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When the answer is of another type.
    pub fn status(&mut self, canister: Principal) -> Result<CanisterStatusResult, Reject> {
        let reply = self.status_reply(canister)?;
        Ok(Decode!(&reply, CanisterStatusResult).expect("the platform's type"))
    }

    /// All settings of a canister that the platform tells, asked for by root as its controller.
    ///
    /// # Errors
    /// The platform's reject.
    pub fn settings(&mut self, canister: Principal) -> Result<Record, Reject> {
        let reply = self.status_reply(canister)?;
        Ok(part_of_status(&reply, "settings"))
    }

    /// The reply of `canister_status`, for which the canister pays. One that an outage left without
    /// cycles gets some.
    fn status_reply(&mut self, canister: Principal) -> Answer {
        let args = CanisterIdRecord {
            canister_id: canister,
        };
        match self.manage(self.root, "canister_status", canister, &args) {
            Err(reject) if reject.error_code == OUT_OF_CYCLES => {
                self.replica.add_cycles(canister, T);
                self.manage(self.root, "canister_status", canister, &args)
            }
            answer => answer,
        }
    }
}

/// Whether an event belongs to a delivery to an unresponsive member, or to the writer. Root retries
/// such deliveries again and again, and the fleet is quiet all the same.
fn is_vain_delivery(event: &Event) -> bool {
    let is_writing = [writer::NOTE, writer::FORWARD].contains(&event.method.as_str());
    let is_delivery = ["canic_announce", "canic_sync"].contains(&event.method.as_str());
    let failed = event.kind == Kind::Reject || event.outcome != Outcome::Reply;
    event.kind == Kind::Timer || event.method == TIMER || is_writing || (is_delivery && failed)
}

/// A module as one message can carry it: with gzip, if it is too large without.
fn packed(module: Vec<u8>) -> Vec<u8> {
    /// The largest message from outside, without some room for the rest of it.
    const MOST: usize = (2 << 20) - 4_096;
    if module.len() <= MOST {
        return module;
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&module).expect("memory can be written");
    packed.finish().expect("memory can be written")
}

fn first_page() -> PageRequest {
    PageRequest {
        after: None,
        limit: canic::api::MAX_PAGE,
    }
}

/// The controller of root.
#[must_use]
pub fn controller() -> Principal {
    user(200)
}
