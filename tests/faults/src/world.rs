//! A world: an instance with a root on it, driven from outside.

use std::{
    collections::{BTreeSet, VecDeque},
    mem,
    ops::{Deref, DerefMut},
};

use candid::{
    Principal,
    utils::{ArgumentEncoder, encode_args},
};
use canic::api::RolloutInfo;
use canic_fleet_tests::{artifacts, fleet::CHUNK, ledgers::START, user};
use canic_replica::{Config, MessageId, Replica, SubnetKind, SystemCanisters};
use canic_testing::harness::{Harness, MAX_ROUNDS, Setup};
use ic_management_canister_types::{CanisterSettings, UpdateSettingsArgs};

use crate::{
    audit::rollouts::{check_round, is_let_go_on},
    writer::Writer,
};

pub use canic_testing::harness::{Answer, DAY, SECOND, T, TIMER};

/// The platform's default, in seconds: 30 days.
pub(crate) const DEFAULT_FREEZING_THRESHOLD: u64 = 2_592_000;

/// An instance with a root on it. A clone continues independently from the same state.
#[derive(Clone)]
pub struct World {
    /// The instance and root, with calls, rounds and root's records.
    harness: Harness<Replica, Writer>,
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
    /// What happens once a rollout is where a cue says, in their order.
    pub(crate) cues: VecDeque<Cue>,
    /// What a scenario promises beyond the audit when nothing fails.
    pub(crate) expectation: Option<fn(&mut World) -> Vec<String>>,
    /// What was wrong while the scenario ran.
    pub(crate) seen: BTreeSet<String>,
    /// Canisters whose freezing threshold was raised.
    frozen: BTreeSet<Principal>,
}

impl Deref for World {
    type Target = Harness<Replica, Writer>;

    fn deref(&self) -> &Self::Target {
        &self.harness
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.harness
    }
}

/// Something that happens once a rollout is somewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cue {
    /// Whether the newest rollout is there.
    pub(crate) when: fn(&RolloutInfo) -> bool,
    /// What happens then.
    pub(crate) act: fn(&mut World, &RolloutInfo),
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
        let setup = Setup {
            module: artifacts::module(package),
            argument: encode_args(()).expect("no argument"),
            cycles,
            controller: controller(),
            chunk: CHUNK,
        };
        let replica = Replica::new(config).expect("an instance");
        let harness = Harness::start(replica, Writer::default(), setup);
        Self {
            harness: harness.expect("root can be installed"),
            package,
            requests: Vec::new(),
            capacity: 0,
            reserve: 0,
            deaf: BTreeSet::new(),
            watched: &[],
            cues: VecDeque::new(),
            expectation: None,
            seen: BTreeSet::new(),
            frozen: BTreeSet::new(),
        }
    }

    /// Stages a module, and approves it for a role.
    ///
    /// # Panics
    /// When root refuses.
    pub fn approve(&mut self, role: &str, package: &str) {
        self.approve_module(role, &artifacts::module(package));
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
        self.harness
            .install_module(owner, canister, artifacts::module(package), arg)
    }

    // Calls

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

    // Acts of root's operator

    /// Upgrades root to the module of another package.
    ///
    /// # Panics
    /// When root can't be upgraded.
    pub fn upgrade_root_to(&mut self, package: &'static str) {
        self.package = package;
        self.set_root_module(artifacts::module(package));
        self.upgrade_root().expect("root can be upgraded");
    }

    /// Upgrades root to another build of its package.
    ///
    /// # Errors
    /// When `canister_pre_upgrade` refuses.
    pub(crate) fn upgrade_root_to_build(&mut self, wasm: Vec<u8>) -> Answer {
        self.set_root_module(wasm);
        self.upgrade_root()
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

    /// Lets time pass until nothing runs any more, no operation is open, and no rollout goes on.
    /// `watch` is called after every round.
    ///
    /// # Errors
    /// What is still open after the most rounds that a fleet may need.
    pub fn settle(&mut self, mut watch: impl FnMut(&mut Self)) -> Result<(), String> {
        // Rounds without execution before this call don't count: there may be new messages.
        self.forget_idle_rounds();
        for _ in 0..MAX_ROUNDS {
            self.step();
            watch(self);
            self.follow_cues();
            if self.is_settled() {
                return Ok(());
            }
            if self.is_stuck() {
                break;
            }
        }
        Err(self.unsettled())
    }

    /// Looks at the newest rollout, unless nothing has happened, and lets happen what its cue says.
    fn follow_cues(&mut self) {
        if self.is_idle() || !self.writer.is_writing() {
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
}

/// The controller of root.
#[must_use]
pub fn controller() -> Principal {
    user(200)
}
