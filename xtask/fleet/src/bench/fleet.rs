//! The costs of a managed fleet and of one written by hand, on the embedded replica.

use canic::api::Source;
use canic_artifacts as artifacts;
use canic_fault_tests::{
    World,
    measure::{self, Announcement, Cost, Memory},
};

use super::{
    figures::{Figures, Idle, Module, WithMembers},
    rollouts,
};

/// Provisions of which the median counts.
const SAMPLES: usize = 5;

/// With fewer members the size of the registry is mostly that of its last, partly filled pages.
const MANY: usize = 10_000;

/// Measures with each of these numbers of members, which ascend, and rolls out to `many`
/// members. Leaves out real members, the replica, builds and bounds.
///
/// # Errors
/// When `members` is empty.
pub(super) fn measure(members: &[usize], many: usize) -> Result<Figures, String> {
    let at = with_members(members)?;
    eprintln!("1,000 workers by batch");
    let batch = measure::whole_batch(&mut measure::managed(), 1_000);
    Ok(Figures {
        refill: measure::refill(&measure::managed()),
        batch,
        rollouts: rollouts::measure(members, many),
        modules: modules()?,
        idle: idle(),
        real: None,
        replica: None,
        builds: Vec::new(),
        bounds: Vec::new(),
        at,
    })
}

/// The managed fleet grows first, then the other one: only one of them has to fit into memory.
fn with_members(counts: &[usize]) -> Result<Vec<WithMembers>, String> {
    let managed = managed(counts)?;
    let by_hand = by_hand(counts)?;
    let pairs = counts.iter().zip(managed).zip(by_hand);
    let at = pairs.map(|((&members, managed), by_hand)| WithMembers {
        members,
        fresh: managed.fresh,
        pool_hit: managed.pool_hit,
        fresh_by_hand: by_hand.fresh,
        reused_by_hand: by_hand.reused,
        registry_bytes: managed.registry_bytes,
        announcement: managed.announcement,
        memory: managed.memory,
        upgrade: managed.upgrade,
    });
    Ok(at.collect())
}

struct Managed {
    fresh: Cost,
    pool_hit: Cost,
    registry_bytes: Option<f64>,
    announcement: Announcement,
    memory: Memory,
    upgrade: u64,
}

fn managed(counts: &[usize]) -> Result<Vec<Managed>, String> {
    let (mut world, mut there) = (measure::managed(), 0);
    let empty = measure::registry_bytes(&world);
    let mut managed = Vec::new();
    for &members in counts {
        eprintln!("managed: {members} members");
        measure::grow_partly(&mut world, there, members, measure::REMEMBERED);
        there = members;
        let mut now = world.clone();
        let fresh = measure::provision(&mut now.clone(), members, SAMPLES, Source::Fresh);
        let announcement = measure::announcement(&now, members);
        now.upgrade_root_to("bench-pool-root");
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
    Ok(managed)
}

struct ByHand {
    fresh: Cost,
    reused: Cost,
}

fn by_hand(counts: &[usize]) -> Result<Vec<ByHand>, String> {
    let most = *counts.last().ok_or("no number of members")?;
    let (mut world, mut there) = (measure::by_hand(), 0);
    let twin = artifacts::module("baseline-worker");
    let mut by_hand = Vec::new();
    for &members in counts {
        measure::grow_by_hand(&mut world, there, members, |now| {
            if now == most || now.is_multiple_of(1_000) {
                eprintln!("by hand: {now} of {most} members");
            }
        });
        there = members;
        let mut now = world.clone();
        measure::approve_by_hand(&mut now, &twin);
        let fresh = measure::provision_by_hand(&mut now, SAMPLES);
        measure::stock_by_hand(&mut now, SAMPLES);
        let reused = measure::provision_by_hand(&mut now, SAMPLES);
        by_hand.push(ByHand { fresh, reused });
    }
    Ok(by_hand)
}

fn modules() -> Result<Vec<Module>, String> {
    let packages = [
        "bench-root",
        "baseline-root",
        "fixture-empty",
        "baseline-empty",
        "example-worker",
        "baseline-worker",
    ];
    let sizes = packages.into_iter().map(|package| {
        let module = artifacts::module(package);
        Ok(Module {
            package,
            bytes: module.len(),
            gzipped: artifacts::gzipped(&module).len(),
        })
    });
    sizes.collect()
}

/// A worker that nobody calls, and its twin.
fn idle() -> Vec<Idle> {
    let mut managed = measure::managed();
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
