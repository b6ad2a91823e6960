//! A fleet in a test.

mod operate;
pub(crate) mod start;
mod time;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candid::Principal;
use canic::api::{
    MemberInfo, Metric, ModuleInfo, OperationId, OperationInfo, OperationsFilter, PoolEntry,
    RolloutInfo,
};
use canic_replica::Replica;

use crate::{
    audit::{self, Allowances, Audit},
    harness::Harness,
    network::{Network, ground::Ground},
};

/// A fleet on a network of its own. Threads may share it; it executes one call at a time.
///
/// ```no_run
/// let fleet = canic_testing::Fleet::of("root").start();
/// let alice = fleet.user("alice");
/// let greeting: String = alice.query(fleet.root(), "greet", ("alice",)).unwrap();
/// fleet.assert_balanced();
/// ```
pub struct Fleet {
    harness: Mutex<Harness<Ground>>,
    /// The package of root.
    package: Arc<str>,
}

impl Fleet {
    /// Root.
    #[must_use]
    pub fn root(&self) -> Principal {
        self.harness().root
    }

    /// A copy that goes on independently from the same state, in milliseconds. Both share all
    /// memory until either of them writes.
    ///
    /// # Panics
    /// On a server, which has no forks.
    #[must_use]
    pub fn fork(&self) -> Self {
        let harness = self.harness();
        let fork = fork(&harness);
        Self {
            harness: Mutex::new(fork.unwrap_or_else(|| refuse("`fork`"))),
            package: self.package.clone(),
        }
    }

    /// Whether the fleet lives in the test's process. On a server there are no forks, no faults, no
    /// accounts and no list of canisters.
    #[must_use]
    pub fn is_in_process(&self) -> bool {
        self.harness().replica.replica().is_some()
    }

    /// Calls a function with the replica: its trace, its accounts, its faults. The function must
    /// not use the fleet, which waits for it.
    ///
    /// # Panics
    /// On a server.
    pub fn with_replica<R>(&self, work: impl FnOnce(&mut Replica) -> R) -> R {
        let mut harness = self.harness();
        let replica = harness.replica.replica_mut();
        work(replica.unwrap_or_else(|| refuse("`with_replica`")))
    }

    pub(crate) fn harness(&self) -> MutexGuard<'_, Harness<Ground>> {
        // A test that panicked has failed already, and others have fleets of their own.
        self.harness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn harness_mut(&mut self) -> &mut Harness<Ground> {
        self.harness
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    // Records

    /// All members.
    #[must_use]
    pub fn members(&self) -> Vec<MemberInfo> {
        self.harness().members()
    }

    /// The member of a role and a key.
    #[must_use]
    pub fn member(&self, role: &str, key: &str) -> Option<MemberInfo> {
        let mut members = self.members().into_iter();
        members.find(|member| member.role == role && member.key.as_deref() == Some(key))
    }

    /// The canisters of the pool.
    #[must_use]
    pub fn pool(&self) -> Vec<PoolEntry> {
        self.harness().pool()
    }

    /// The operations that a filter selects: open, quarantined or closed ones.
    #[must_use]
    pub fn operations(&self, filter: OperationsFilter) -> Vec<OperationInfo> {
        self.harness().operations(filter)
    }

    /// The operation of a number.
    #[must_use]
    pub fn operation(&self, id: OperationId) -> Option<OperationInfo> {
        let filters = [
            OperationsFilter::Open,
            OperationsFilter::Closed,
            OperationsFilter::Quarantined,
        ];
        let mut all = filters
            .into_iter()
            .flat_map(|filter| self.operations(filter));
        all.find(|operation| operation.id == id)
    }

    /// All rollouts, oldest first.
    #[must_use]
    pub fn rollouts(&self) -> Vec<RolloutInfo> {
        self.harness().rollouts()
    }

    /// The approved modules.
    #[must_use]
    pub fn modules(&self) -> Vec<ModuleInfo> {
        self.harness().modules()
    }

    /// The metrics of root, or of a member.
    ///
    /// # Panics
    /// The canister is neither, or does not answer.
    #[must_use]
    pub fn metrics(&self, canister: Principal) -> Vec<Metric> {
        self.harness().metrics(canister)
    }

    /// A metric of root or of a member, by name and labels; labels that are not named may have any
    /// value.
    ///
    /// # Panics
    /// As for [`Fleet::metrics`].
    #[must_use]
    pub fn metric(&self, canister: Principal, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let metrics = self.metrics(canister);
        let has = |metric: &Metric, (label, value): &(&str, &str)| {
            let mut all = metric.labels.iter();
            all.any(|(one, its)| one == label && its == value)
        };
        let mut metrics = metrics.iter();
        let found = metrics
            .find(|metric| metric.name == name && labels.iter().all(|label| has(metric, label)));
        found.map(|metric| metric.value)
    }

    /// The cycles of a canister. `None`: there is no such canister.
    #[must_use]
    pub fn cycles(&self, canister: Principal) -> Option<u128> {
        self.harness().replica.cycles(canister)
    }

    // Audit

    /// Waits until the fleet is quiet, and audits it from outside.
    ///
    /// - No canister that root controls is missing from its records, and none on its records is
    ///   missing.
    /// - Members run the modules, and have the identities, that root's records say. No two have the
    ///   same key.
    /// - The pool's canisters are unclaimed, and like new ones.
    /// - Every cycle is in a canister, was burned, or was charged by the platform. Root's ledger
    ///   has what root sent away. Root has its reserve.
    ///
    /// In the test's process the audit is one of a fork: the fleet stays as it is. A server lists
    /// no canisters and has no accounts: these checks are skipped, and [`Audit::skipped`] says so.
    #[must_use]
    pub fn audit(&self) -> Audit {
        let mut harness = self.harness();
        match fork(&harness) {
            Some(mut fork) => audit_quiet(&mut fork),
            None => audit_quiet(&mut harness),
        }
    }

    /// Asserts that the audit finds nothing: nobody is lost, and no cycles are unaccounted for.
    ///
    /// # Panics
    /// With everything that the audit found.
    pub fn assert_balanced(&self) {
        let audit = self.audit();
        for skipped in &audit.skipped {
            println!("skipped: {skipped}");
        }
        assert!(
            audit.violations.is_empty(),
            "the audit of the fleet found:\n    {}",
            audit.violations.join("\n    ")
        );
    }
}

/// Audits a fleet once it is quiet.
pub(crate) fn audit_quiet(harness: &mut Harness<Ground>) -> Audit {
    if let Err(why) = harness.settle() {
        return Audit {
            violations: vec![why],
            skipped: Vec::new(),
        };
    }
    let destruction = harness
        .sheet()
        .get("deleted")
        .is_some_and(|cycles| *cycles > u128::from(harness.done.deleted) * audit::DESTROYED);
    audit::audit(
        harness,
        Allowances {
            lost_creations: false,
            destruction,
        },
    )
}

fn fork(harness: &Harness<Ground>) -> Option<Harness<Ground>> {
    let replica = harness.replica.replica()?.clone();
    Some(harness.on(Ground::Process(Box::new(replica))))
}

/// Refuses what only the replica in the test's process can do.
pub(crate) fn refuse(what: &str) -> ! {
    panic!(
        "{what} needs the replica in the test's process; this fleet lives on the server that \
         CANIC_TESTING_SERVER names"
    )
}
