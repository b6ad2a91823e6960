//! Random histories: many concurrent operations, with random faults and upgrades of root.

use canic::api::{ImportAs, RetireRequest, Retirement};
use canic_fleet_tests::{
    fleet::{notebook, owner_argument},
    user,
};
use canic_replica::Chaos;
use fastrand::Rng;

use crate::{
    audit::{audit_records, check_answered},
    case::Act,
    matrix::{Violation, catch_panic, in_parallel},
    scenario::{self, hub, import, provision, refused},
    world::{T, World, controller},
};

/// The world in which histories begin.
#[must_use]
pub fn world() -> World {
    scenario::small()
}

/// Runs the history of a seed in a copy of this world. Returns its violation, if there is one.
#[must_use]
pub fn run(world: &World, seed: u64) -> Option<Violation> {
    let problems = catch_panic(|| {
        let mut world = world.clone();
        let mut rng = Rng::with_seed(seed);
        world.replica.set_chaos(Some(Chaos {
            seed,
            per_mille: rng.u32(5..60),
            caller: Some(world.root),
            callee: None,
        }));
        for _ in 0..rng.usize(5..30) {
            act_at_random(&mut world, &mut rng);
            for _ in 0..rng.usize(..20) {
                world.step();
            }
        }
        match world.settle(|_| ()) {
            Ok(()) => {
                world.replica.clear_faults();
                let mut problems = check_answered(&mut world);
                problems.extend(audit_records(&mut world));
                problems
            }
            Err(why) => vec![why],
        }
    });
    (!problems.is_empty()).then(|| Violation {
        repeat: format!("--history {seed}"),
        problems,
    })
}

/// Runs the histories of these seeds, and returns the violations.
#[must_use]
pub fn run_all(seeds: &[u64]) -> Vec<Violation> {
    let world = world();
    let runs = in_parallel(seeds, |seed| run(&world, *seed));
    runs.into_iter().flatten().collect()
}

/// Makes a random request, or performs a random act.
fn act_at_random(world: &mut World, rng: &mut Rng) {
    match rng.u32(..100) {
        0..35 => provision(world, &notebook(user(rng.u8(1..7)))),
        35..45 => provision(world, &refused()),
        45..50 => provision(world, &hub()),
        50..55 => {
            let batch: Vec<_> = (1..=rng.u8(1..5)).map(|n| notebook(user(n))).collect();
            world.begin(controller(), world.root, "canic_provision_batch", (batch,));
        }
        55..75 => retire_one(world, rng),
        75..80 => {
            let stranger = world.create(controller(), T + T / 2);
            let import_as = if rng.bool() {
                ImportAs::Pool
            } else {
                let argument = owner_argument(user(1));
                world.install(controller(), stranger, "example-worker", argument);
                ImportAs::Member {
                    role: "worker".to_string(),
                    key: Some(format!("adopted {}", rng.u8(1..4))),
                    parent: None,
                }
            };
            let all = vec![controller(), world.root];
            world.set_controllers(controller(), stranger, all);
            import(world, stranger, import_as);
        }
        80..84 => Act::UpgradeRoot.perform(world),
        84..89 => Act::UpgradeStoppedRoot.perform(world),
        89..91 => {
            let act = rng.choice([Act::StopRoot, Act::LongOutage]);
            act.into_iter().for_each(|act| act.perform(world));
        }
        91..93 => Act::StopMembers.perform(world),
        _ => world.pass(rng.u64(1..120) * 1_000_000_000),
    }
}

fn retire_one(world: &mut World, rng: &mut Rng) {
    let members = world.members();
    let Some(member) = rng.choice(&members) else {
        return;
    };
    let request = RetireRequest {
        canister: member.canister,
        how: if rng.bool() {
            Retirement::Recycle
        } else {
            Retirement::Delete
        },
        subtree: None,
    };
    world.begin(controller(), world.root, "canic_retire", (request,));
}
