//! What a fleet costs, on the embedded replica, beside what is written by hand.

use crate::wasm::gzip;
use canic::api::Source;
use canic_fault_tests::{
    World,
    measure::{self, Announcement, Batch, Cost, Memory, Refill},
};
use canic_fleet_tests::artifacts;
use serde::Serialize;

/// The worker and its twin: packages, and where their code is.
pub(super) const TWINS: [(&str, &str); 2] = [
    ("example-worker", "examples/worker/src/lib.rs"),
    ("baseline-worker", "benches/baseline/worker/src/lib.rs"),
];

/// Provisions of which the one in the middle counts.
const SAMPLES: usize = 5;

/// With fewer members the last page of each table, which is not full, says more than they do.
const MANY: usize = 10_000;

/// All that is measured.
#[derive(Serialize)]
pub(super) struct Figures {
    pub(super) at: Vec<At>,
    pub(super) refill: Refill,
    pub(super) batch: Batch,
    pub(super) modules: Vec<Module>,
    pub(super) idle: Vec<Idle>,
    pub(super) builds: Vec<Build>,
    pub(super) bounds: Vec<Bound>,
}

/// With so many members.
#[derive(Serialize)]
pub(super) struct At {
    pub(super) members: usize,
    pub(super) fresh: Cost,
    pub(super) pool_hit: Cost,
    pub(super) fresh_by_hand: Cost,
    pub(super) reused_by_hand: Cost,
    /// Bytes of the registry a member, beyond its key.
    pub(super) registry_bytes: Option<f64>,
    pub(super) announcement: Announcement,
    /// Root's memory.
    pub(super) memory: Memory,
    /// Instructions of root when it is upgraded.
    pub(super) upgrade: u64,
}

#[derive(Serialize)]
pub(super) struct Module {
    pub(super) package: &'static str,
    pub(super) bytes: usize,
    pub(super) gzipped: usize,
}

#[derive(Serialize)]
pub(super) struct Idle {
    pub(super) package: &'static str,
    pub(super) memory: Memory,
    pub(super) burned_a_day: u128,
}

#[derive(Serialize)]
pub(super) struct Build {
    pub(super) package: &'static str,
    pub(super) cold_seconds: f64,
    pub(super) incremental_seconds: f64,
}

/// What must hold.
#[derive(Serialize)]
pub(super) struct Bound {
    pub(super) what: String,
    pub(super) measured: f64,
    pub(super) at_most: f64,
}

impl Bound {
    pub(super) fn held(&self) -> bool {
        self.measured <= self.at_most
    }
}

/// Measures with each of these numbers of members, which ascend; `--builds` comes extra.
///
/// # Errors
/// When a module can't be compressed, or there is no number of members.
pub(super) fn measure(members: &[usize]) -> Result<Figures, String> {
    let at = with_members(members)?;
    eprintln!("1,000 workers by batch");
    let batch = measure::whole_batch(&mut workers(), 1_000);
    let mut figures = Figures {
        refill: measure::refill(&workers()),
        batch,
        modules: modules()?,
        idle: idle(),
        builds: Vec::new(),
        bounds: Vec::new(),
        at,
    };
    figures.bounds = bounds(&figures);
    Ok(figures)
}

/// A managed fleet whose next members are workers.
fn workers() -> World {
    let mut world = measure::managed();
    begin_workers(&mut world);
    world
}

fn begin_workers(world: &mut World) {
    world.approve("worker", "example-worker");
    world.rest().expect("it comes to rest");
}

/// The managed fleet grows first, then the other one: only one of them has to fit into memory.
fn with_members(counts: &[usize]) -> Result<Vec<At>, String> {
    struct Managed {
        fresh: Cost,
        pool_hit: Cost,
        registry_bytes: Option<f64>,
        announcement: Announcement,
        memory: Memory,
        upgrade: u64,
    }
    let most = *counts.last().ok_or("no number of members")?;
    let (mut world, mut there) = (measure::managed(), 0);
    let empty = measure::registry_bytes(&world);
    let mut managed = Vec::new();
    for &members in counts {
        eprintln!("managed: {members} members");
        measure::grow(&mut world, there, members);
        there = members;
        let mut now = world.clone();
        begin_workers(&mut now);
        let fresh = measure::provision(&mut now.clone(), members, SAMPLES, Source::Fresh);
        let announcement = measure::announcement(&now, members);
        now.become_root("bench-pool-root");
        now.rest()?;
        measure::stock(&mut now, 12);
        let pool_hit = measure::provision(&mut now, members, SAMPLES, Source::Pool);
        let bytes = measure::registry_bytes(&world) - empty;
        let key = measure::key(0).len() as f64;
        managed.push(Managed {
            fresh,
            pool_hit,
            registry_bytes: (members >= MANY).then(|| bytes as f64 / members as f64 - key),
            announcement,
            memory: measure::memory(&mut world.clone(), world.root),
            upgrade: measure::upgrade(&world),
        });
    }
    drop(world);

    let (mut world, mut there) = (measure::by_hand(), 0);
    let twin = artifacts::module("baseline-worker");
    let mut at = Vec::new();
    for (&members, managed) in counts.iter().zip(managed) {
        measure::grow_by_hand(&mut world, there, members, |now| {
            if now == most || now.is_multiple_of(1_000) {
                eprintln!("by hand: {now} of {most} members");
            }
        });
        there = members;
        let mut now = world.clone();
        measure::approve_by_hand(&mut now, &twin);
        let fresh_by_hand = measure::provision_by_hand(&mut now, SAMPLES);
        measure::stock_by_hand(&mut now, SAMPLES);
        at.push(At {
            members,
            fresh: managed.fresh,
            pool_hit: managed.pool_hit,
            fresh_by_hand,
            reused_by_hand: measure::provision_by_hand(&mut now, SAMPLES),
            registry_bytes: managed.registry_bytes,
            announcement: managed.announcement,
            memory: managed.memory,
            upgrade: managed.upgrade,
        });
    }
    Ok(at)
}

fn modules() -> Result<Vec<Module>, String> {
    let packages = [
        "bench-root",
        "baseline-root",
        "example-worker",
        "baseline-worker",
    ];
    let sizes = packages.into_iter().map(|package| {
        let module = artifacts::module(package);
        Ok(Module {
            package,
            bytes: module.len(),
            gzipped: gzip(&module).map_err(|e| format!("{package}: {e}"))?.len(),
        })
    });
    sizes.collect()
}

/// A worker that nobody calls, and its twin.
fn idle() -> Vec<Idle> {
    let mut managed = workers();
    measure::provision(&mut managed, 0, 1, Source::Fresh);
    let mut by_hand = measure::by_hand();
    measure::approve_by_hand(&mut by_hand, &artifacts::module("baseline-worker"));
    measure::provision_by_hand(&mut by_hand, 1);
    let one = |(package, mut world): (&'static str, World)| {
        let worker = world.controlled()[0];
        Idle {
            package,
            memory: measure::memory(&mut world, worker),
            burned_a_day: measure::burned_in_a_day(&world, worker),
        }
    };
    [("example-worker", managed), ("baseline-worker", by_hand)]
        .map(one)
        .into()
}

fn bounds(figures: &Figures) -> Vec<Bound> {
    let mut bounds = Vec::new();
    let mut bound = |what: String, measured: f64, at_most: f64| {
        bounds.push(Bound {
            what,
            measured,
            at_most,
        });
    };
    let ratio = |cost: &Cost, other: &Cost| cost.instructions as f64 / other.instructions as f64;
    let all = |of: fn(&At) -> f64| figures.at.iter().map(of).fold(0.0, f64::max);
    bound(
        "management calls of a pool hit".into(),
        all(|at| at.pool_hit.management_calls as f64),
        1.0,
    );
    bound(
        "management calls of a fresh canister".into(),
        all(|at| at.fresh.management_calls as f64),
        2.0,
    );
    if let (Some(few), Some(many)) = (figures.at.first(), figures.at.last()) {
        let (n, m) = (few.members, many.members);
        bound(
            format!("instructions of a fresh canister, with {m} members to {n}"),
            ratio(&many.fresh, &few.fresh),
            1.3,
        );
        bound(
            format!("instructions of a pool hit, with {m} members to {n}"),
            ratio(&many.pool_hit, &few.pool_hit),
            1.3,
        );
    }
    bound(
        "instructions of a fresh canister, to by hand".into(),
        all(|at| at.fresh.instructions as f64 / at.fresh_by_hand.instructions as f64),
        2.5,
    );
    bound(
        "instructions of a pool hit, to by hand".into(),
        all(|at| at.pool_hit.instructions as f64 / at.reused_by_hand.instructions as f64),
        2.5,
    );
    if let [.., worker, twin] = figures.modules.as_slice() {
        bound(
            "the worker's module to its twin's, gzipped".into(),
            worker.gzipped as f64 / twin.gzipped as f64,
            1.25,
        );
    }
    if let [worker, twin] = figures.idle.as_slice() {
        bound(
            "memory of an idle worker, its module included, MB".into(),
            worker.memory.total as f64 / 1e6,
            2.5,
        );
        bound(
            "cycles that an idle worker burns a day, to its twin".into(),
            worker.burned_a_day as f64 / twin.burned_a_day as f64,
            2.5,
        );
    }
    bound(
        "failures in a batch of 1,000".into(),
        figures.batch.failed as f64,
        0.0,
    );
    bound(
        "calls in flight in a batch of 1,000".into(),
        figures.batch.in_flight as f64,
        50.0,
    );
    if figures.at.iter().any(|at| at.registry_bytes.is_some()) {
        bound(
            "bytes of the registry a member, beyond its key".into(),
            all(|at| at.registry_bytes.unwrap_or_default()),
            250.0,
        );
    }
    bounds
}
