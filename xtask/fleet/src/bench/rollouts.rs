//! The costs of rollouts, beside those of a loop written by hand.

use canic::api::{RolloutPlan, Snapshots};
use canic_artifacts as artifacts;
use canic_fault_tests::measure::{
    self,
    rollouts::{self, PLAN},
};

use super::figures::Rollouts;

/// Members of which the upgrades are measured in a fleet of any size.
const CANARIES: usize = 10;

/// Members of a fleet to which a release is rolled out in three ways.
const MEMBERS: usize = 1_000;

/// Measures with each of these numbers of members, which ascend, and with `many`.
pub(super) fn measure(members: &[usize], many: usize) -> Rollouts {
    let (mut world, mut there) = (measure::managed(), 0);
    let canaries = members.iter().map(|&members| {
        eprintln!("canaries among {members} members");
        measure::grow(&mut world, there, members);
        there = members;
        let some = world.controlled().into_iter().take(CANARIES).collect();
        (members, rollouts::canaries(&mut world.clone(), some))
    });
    let canaries = canaries.collect();
    drop(world);

    eprintln!("a rollout to {MEMBERS} members, by hand, too");
    let mut by_hand = measure::by_hand();
    measure::approve_by_hand(&mut by_hand, &artifacts::module("baseline-worker"));
    measure::grow_by_hand(&mut by_hand, 0, MEMBERS, |_| ());
    let by_hand = rollouts::by_hand(&mut by_hand, MEMBERS);
    let mut world = measure::managed();
    measure::grow_workers(&mut world, 0, MEMBERS);
    let with_snapshots = RolloutPlan {
        snapshots: Snapshots::All,
        ..PLAN
    };
    Rollouts {
        canaries,
        plain: rollouts::rollout(&mut world.clone(), MEMBERS, PLAN),
        with_snapshots: rollouts::rollout(&mut world.clone(), MEMBERS, with_snapshots),
        by_hand,
        large: {
            eprintln!("a rollout to {many} members");
            measure::grow_workers(&mut world, MEMBERS, many);
            rollouts::rollout(&mut world, many, PLAN)
        },
    }
}
