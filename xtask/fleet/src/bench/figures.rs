//! The figures of a fleet, and their bounds.

use canic_fault_tests::measure::{Announcement, Batch, Cost, Memory, Refill, rollouts::Upgrades};
use serde::Serialize;

use super::{real::Real, replica};

/// All figures.
#[derive(Serialize)]
pub(super) struct Figures {
    pub(super) at: Vec<WithMembers>,
    pub(super) refill: Refill,
    pub(super) batch: Batch,
    pub(super) rollouts: Rollouts,
    pub(super) modules: Vec<Module>,
    pub(super) idle: Vec<Idle>,
    pub(super) real: Option<Real>,
    pub(super) replica: Option<replica::Figures>,
    pub(super) builds: Vec<Build>,
    pub(super) bounds: Vec<Bound>,
}

/// The costs in a fleet of so many members.
#[derive(Serialize)]
pub(super) struct WithMembers {
    pub(super) members: usize,
    pub(super) fresh: Cost,
    pub(super) pool_hit: Cost,
    pub(super) fresh_by_hand: Cost,
    pub(super) reused_by_hand: Cost,
    /// Bytes of the registry per member, without its key.
    pub(super) registry_bytes: Option<f64>,
    pub(super) announcement: Announcement,
    /// Root's memory.
    pub(super) memory: Memory,
    /// Instructions of an upgrade of root.
    pub(super) upgrade: u64,
}

/// New releases for the members of a fleet.
#[derive(Serialize)]
pub(super) struct Rollouts {
    /// For some of them, by the number of all.
    pub(super) canaries: Vec<(usize, Upgrades)>,
    /// For all.
    pub(super) plain: Upgrades,
    /// With a snapshot of each member.
    pub(super) with_snapshots: Upgrades,
    pub(super) by_hand: Upgrades,
    /// In a large fleet.
    pub(super) large: Upgrades,
}

/// The size of a module in bytes.
#[derive(Serialize)]
pub(super) struct Module {
    pub(super) package: &'static str,
    pub(super) bytes: usize,
    pub(super) gzipped: usize,
}

/// A canister that nobody calls.
#[derive(Serialize)]
pub(super) struct Idle {
    pub(super) package: &'static str,
    pub(super) memory: Memory,
    /// Cycles.
    pub(super) burned_a_day: u128,
}

/// The times of cargo.
#[derive(Serialize)]
pub(super) struct Build {
    pub(super) package: &'static str,
    pub(super) cold_seconds: f64,
    pub(super) incremental_seconds: f64,
}

/// A figure and its bound.
#[derive(Serialize)]
pub(super) struct Bound {
    pub(super) what: String,
    pub(super) measured: f64,
    pub(super) at_most: f64,
}

impl Bound {
    pub(super) fn new(what: impl Into<String>, measured: f64, at_most: f64) -> Self {
        Self {
            what: what.into(),
            measured,
            at_most,
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.measured <= self.at_most
    }
}
