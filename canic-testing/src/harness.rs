//! A root on a network, driven from outside: the floor beneath [`Fleet`](crate::Fleet), for tests
//! that change the replica themselves. The fault matrix of canic stands on it.

mod calls;
mod operator;
mod records;
mod time;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    sync::Arc,
};

use candid::Principal;
use canic_replica::{Event, Replica};
use flate2::{Compression, write::GzEncoder};
use ic_management_canister_types::CanisterInstallMode;

use crate::{case::Failure, network::Network};

pub use self::time::{MAX_ROUNDS, TIMER};
pub use crate::network::Answer;

/// 10^12 cycles.
pub const T: u128 = 1_000_000_000_000;

/// In seconds.
pub const DAY: u64 = 86_400;

/// In nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

/// Bytes of a chunk of a staged module.
pub const CHUNK: usize = 1 << 20;

/// A root on a network. A clone of one in the test's process continues independently from the same
/// state.
#[derive(Clone)]
pub struct Harness<N = Replica, W = ()> {
    /// The network.
    pub replica: N,
    /// Root.
    pub root: Principal,
    /// The controller of root, beside root itself.
    pub controller: Principal,
    /// Writes to members beside the test.
    pub writer: W,
    /// Canisters that an operator stopped by hand, not by root.
    pub stopped: BTreeSet<Principal>,
    /// What root did by calls that succeeded.
    pub done: Done,
    /// Cycles that root deposited, by day since 1970.
    pub deposits: BTreeMap<u64, u128>,
    /// Root's module, as one message can carry it.
    module: Arc<Vec<u8>>,
    /// The modules that root was asked to approve, by hash.
    modules: BTreeMap<Vec<u8>, Arc<Vec<u8>>>,
    /// Bytes of a chunk of a staged module.
    chunk: usize,
    /// Rounds in a row in which nothing ran.
    idle: u32,
    /// Events of the trace that `done` has.
    counted: u64,
    plan: Plan,
}

/// Somebody who works beside the test, and is called before each round.
pub trait Writer<N> {
    /// Submits what they want. `idle`: rounds in a row in which nothing ran.
    fn write(&mut self, network: &mut N, idle: u32);

    /// Whether an event of the trace is theirs. Their own work keeps no fleet from being quiet.
    fn is_own(event: &Event) -> bool;
}

/// Nobody works beside the test.
impl<N> Writer<N> for () {
    fn write(&mut self, _: &mut N, _: u32) {}

    fn is_own(_: &Event) -> bool {
        false
    }
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

/// The failures of a case, of which some wait for their act.
#[derive(Clone, Debug, Default)]
struct Plan {
    failures: Vec<Failure>,
    /// Fired faults that the plan has seen.
    seen: usize,
    /// An act is being performed.
    busy: bool,
}

/// A root before it is created.
pub struct Setup {
    /// Root's module.
    pub module: Vec<u8>,
    /// The encoded argument of its install.
    pub argument: Vec<u8>,
    /// Cycles that root begins with.
    pub cycles: u128,
    /// The controller of root, beside root itself.
    pub controller: Principal,
    /// Bytes of a chunk in which modules are staged.
    pub chunk: usize,
}

impl<N: Network, W: Writer<N>> Harness<N, W> {
    /// Creates and installs root on a network.
    ///
    /// # Errors
    /// The platform's reject: the module is no canister, or its `init` refuses.
    pub fn start(network: N, writer: W, setup: Setup) -> Result<Self, canic_replica::Reject> {
        let mut harness = Self {
            replica: network,
            root: Principal::anonymous(),
            controller: setup.controller,
            writer,
            stopped: BTreeSet::new(),
            done: Done::default(),
            deposits: BTreeMap::new(),
            module: Arc::new(packed(setup.module)),
            modules: BTreeMap::new(),
            chunk: setup.chunk,
            idle: 0,
            counted: 0,
            plan: Plan::default(),
        };
        harness.root = harness.try_create(setup.controller, setup.cycles)?;
        let install = harness.install_args(CanisterInstallMode::Install, setup.argument);
        harness.manage(setup.controller, "install_code", harness.root, &install)?;
        Ok(harness)
    }

    /// The same state on a copy of the network.
    #[must_use]
    pub fn on<M>(&self, network: M) -> Harness<M, W>
    where
        W: Clone,
    {
        Harness {
            replica: network,
            root: self.root,
            controller: self.controller,
            writer: self.writer.clone(),
            stopped: self.stopped.clone(),
            done: self.done,
            deposits: self.deposits.clone(),
            module: self.module.clone(),
            modules: self.modules.clone(),
            chunk: self.chunk,
            idle: self.idle,
            counted: self.counted,
            plan: self.plan.clone(),
        }
    }

    /// Arms faults. The act of each is performed once its fault has fired.
    ///
    /// # Panics
    /// On a server, which has no faults.
    pub fn arm(&mut self, failures: &[Failure]) {
        let replica = self.replica.replica_mut();
        let replica = replica.expect("faults need the replica in the test's process");
        for failure in failures {
            replica.inject(failure.fault.clone());
        }
        self.plan = Plan {
            failures: failures.to_vec(),
            seen: replica.fired_faults().len(),
            busy: false,
        };
    }

    /// Disarms all faults, and forgets their acts.
    pub fn disarm(&mut self) {
        self.plan = Plan::default();
        if let Some(replica) = self.replica.replica_mut() {
            replica.clear_faults();
        }
    }

    /// Performs the acts of the faults that fired. An act executes rounds, in which others may
    /// fire; their acts follow.
    fn perform_due(&mut self) {
        if self.plan.busy || self.plan.failures.is_empty() {
            return;
        }
        self.plan.busy = true;
        while let Some(failure) = self.next_fired() {
            if let Some(act) = failure.act {
                self.perform(act);
            }
        }
        self.plan.busy = false;
    }

    fn next_fired(&mut self) -> Option<Failure> {
        loop {
            let fired = self.replica.replica()?.fired_faults();
            let fault = &fired.get(self.plan.seen)?.fault;
            self.plan.seen += 1;
            let mut failures = self.plan.failures.iter();
            if let Some(failure) = failures.find(|failure| failure.fault == *fault) {
                return Some(failure.clone());
            }
        }
    }
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
