//! A fleet whose members are all canisters, beside one whose members are records for the most part.

use std::{fs, time::Instant};

use canic::api::Source;
use canic_fault_tests::{
    World,
    measure::{self, Cost, Memory},
    world::SECOND,
};
use canic_replica::Fees;
use serde::Serialize;

use super::{bounds::UPGRADE, figures::Bound};

/// Requests of which the median counts.
const SAMPLES: usize = 5;

/// Members that are made between two lines of progress.
const STEP: usize = 1_000;

/// The most by which figures of the two fleets may differ, as a part of one.
const DIFFERENCE: f64 = 0.02;

/// The most memory of this process, in bytes.
const HOST: f64 = (16_u64 << 30) as f64;

/// Both fleets.
#[derive(Serialize)]
pub(super) struct Real {
    pub(super) members: usize,
    /// How the canisters were made.
    pub(super) growth: Growth,
    pub(super) real: Fleet,
    pub(super) written: Fleet,
}

/// Members by batches, until the fleet is idle again.
#[derive(Serialize)]
pub(super) struct Growth {
    pub(super) seconds: f64,
    pub(super) messages: u64,
    pub(super) rounds: u64,
    /// Fees of all canisters in cycles, without those for their creation and their memory.
    pub(super) fees: u128,
    /// Cycles for the creation of canisters.
    pub(super) creation: u128,
    /// The most memory of this process in bytes, if the system tells.
    pub(super) host: Option<u64>,
    /// A fresh canister from a root that was never upgraded.
    pub(super) fresh: Cost,
}

/// The costs of a fleet with so many members, after an upgrade of root: the members that are
/// written are read by one.
#[derive(Serialize)]
pub(super) struct Fleet {
    pub(super) fresh: Cost,
    pub(super) memory: Memory,
    /// Instructions of an upgrade of root.
    pub(super) upgrade: u64,
    pub(super) upgrade_seconds: f64,
}

/// Makes the fleets one after the other: only one of them has to fit into memory.
pub(super) fn measure(members: usize) -> Real {
    let mut world = measure::managed();
    let growth = grow(&mut world, members);
    let real = fleet(world, members);
    eprintln!("{members} members on record");
    let mut world = measure::managed();
    measure::grow_partly(&mut world, 0, members, measure::REMEMBERED);
    let written = fleet(world, members);
    Real {
        members,
        growth,
        real,
        written,
    }
}

fn grow(world: &mut World, members: usize) -> Growth {
    let fees = |world: &World| world.replica.accounts().fees;
    let (before, first) = (fees(world), world.events());
    let last_round = |world: &World| world.replica.trace().last().map_or(0, |event| event.round);
    let first_round = last_round(world);
    let started = Instant::now();
    for from in (0..members).step_by(STEP) {
        let to = members.min(from + STEP);
        measure::grow_workers(world, from, to);
        let seconds = started.elapsed().as_secs();
        let gib = peak().unwrap_or_default() as f64 / (1_u64 << 30) as f64;
        eprintln!("{to} of {members} canisters after {seconds} s, {gib:.2} GiB at most");
    }
    let after = fees(world);
    let running = |fees: Fees| fees.total() - fees.creation - fees.resources;
    Growth {
        seconds: started.elapsed().as_secs_f64(),
        messages: world.events() - first,
        rounds: last_round(world) - first_round,
        fees: running(after) - running(before),
        creation: after.creation - before.creation,
        host: peak(),
        fresh: {
            rest_long(world);
            measure::provision(&mut world.clone(), members, SAMPLES, Source::Fresh)
        },
    }
}

fn fleet(mut world: World, members: usize) -> Fleet {
    world.upgrade_root().expect("root can be upgraded");
    rest_long(&mut world);
    let fresh = measure::provision(&mut world.clone(), members, SAMPLES, Source::Fresh);
    let root = world.root;
    let memory = measure::memory(&mut world, root);
    let started = Instant::now();
    let upgrade = measure::upgrade(&world);
    Fleet {
        fresh,
        memory,
        upgrade,
        upgrade_seconds: started.elapsed().as_secs_f64(),
    }
}

/// Lets time pass until root, which looks at the cycles of its members now and then, has nothing to
/// do for as long as a measurement takes.
fn rest_long(world: &mut World) {
    const MEASUREMENT: u64 = 45 * 60 * SECOND;
    loop {
        world.rest().expect("the fleet becomes idle");
        let mut later = world.clone();
        let before = later.events();
        later.pass(MEASUREMENT);
        later.replica.tick();
        if later.events() == before {
            return;
        }
        *world = later;
    }
}

/// The most memory that this process ever had, in bytes.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

impl Real {
    /// The figures of both fleets that are compared, the real one first.
    pub(super) fn pairs(&self) -> [(&'static str, u64, u64); 4] {
        let pair =
            |what, figure: fn(&Fleet) -> u64| (what, figure(&self.real), figure(&self.written));
        [
            pair("root's instructions of a fresh canister", |fleet| {
                fleet.fresh.instructions
            }),
            pair("root's heap", |fleet| fleet.memory.heap),
            pair("root's stable memory", |fleet| fleet.memory.stable),
            pair("instructions of an upgrade of root", |fleet| fleet.upgrade),
        ]
    }

    pub(super) fn bounds(&self) -> Vec<Bound> {
        let mut bounds = Vec::new();
        if let Some(host) = self.growth.host {
            let of = format!(
                "memory of the host with {} real canisters, bytes",
                self.members
            );
            bounds.push(Bound::new(of, host as f64, HOST));
        }
        let upgrade = self.real.upgrade as f64 / self.members as f64;
        bounds.push(Bound::new(
            "instructions of an upgrade of root, a member",
            upgrade,
            UPGRADE,
        ));
        bounds.extend(self.pairs().map(|(what, real, written)| {
            let difference = (real as f64 / written as f64 - 1.0).abs();
            Bound::new(
                format!("{what}: difference of real and written"),
                difference,
                DIFFERENCE,
            )
        }));
        bounds
    }
}
