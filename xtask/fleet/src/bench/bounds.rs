//! The bounds that the costs of a fleet must keep.

use canic_fault_tests::measure::{Batch, Cost, rollouts::Upgrades};

use super::{
    figures::{Bound, Figures, Rollouts, WithMembers},
    real::Real,
    replica,
};

/// The most instructions of an upgrade of root for each member.
pub(super) const UPGRADE: f64 = 6_000.0;

/// All bounds on these figures.
pub(super) fn bounds(figures: &Figures) -> Vec<Bound> {
    let mut bounds = provisions(&figures.at);
    bounds.extend(twins(figures));
    bounds.extend(batch(&figures.batch));
    bounds.extend(rollouts(&figures.rollouts));
    bounds.extend(figures.real.iter().flat_map(Real::bounds));
    bounds.extend(figures.replica.iter().flat_map(replica::bounds));
    if figures.at.iter().any(|at| at.registry_bytes.is_some()) {
        bounds.push(Bound::new(
            "bytes of the registry per member, without its key",
            largest(&figures.at, |at| at.registry_bytes.unwrap_or_default()),
            250.0,
        ));
    }
    bounds
}

/// One provision: its management calls, its growth with the fleet, its distance to by hand.
fn provisions(at: &[WithMembers]) -> Vec<Bound> {
    let mut bounds = vec![
        Bound::new(
            "management calls of a pool hit",
            largest(at, |at| at.pool_hit.management_calls as f64),
            1.0,
        ),
        Bound::new(
            "management calls of a fresh canister",
            largest(at, |at| at.fresh.management_calls as f64),
            2.0,
        ),
    ];
    if let (Some(few), Some(many)) = (at.first(), at.last()) {
        let growth = |what: &str, few_cost: &Cost, many_cost: &Cost| {
            let (few, many) = (few.members, many.members);
            Bound::new(
                format!("instructions of a {what}: ratio of {many} members to {few}"),
                ratio(many_cost, few_cost),
                1.3,
            )
        };
        bounds.push(growth("fresh canister", &few.fresh, &many.fresh));
        bounds.push(growth("pool hit", &few.pool_hit, &many.pool_hit));
        let members = (many.members - few.members).max(1);
        bounds.push(Bound::new(
            format!(
                "instructions of an upgrade of root for a member, of {}",
                many.members
            ),
            many.upgrade.saturating_sub(few.upgrade) as f64 / members as f64,
            UPGRADE,
        ));
    }
    bounds.extend([
        Bound::new(
            "messages of a fresh canister",
            largest(at, |at| at.fresh.messages as f64),
            9.0,
        ),
        Bound::new(
            "messages of a pool hit",
            largest(at, |at| at.pool_hit.messages as f64),
            5.0,
        ),
        Bound::new(
            "fees of a fresh canister: ratio to by hand",
            largest(at, |at| fees(&at.fresh, &at.fresh_by_hand)),
            2.2,
        ),
        Bound::new(
            "fees of a pool hit: ratio to by hand",
            largest(at, |at| fees(&at.pool_hit, &at.reused_by_hand)),
            2.5,
        ),
        Bound::new(
            "instructions of a fresh canister: ratio to by hand",
            largest(at, |at| ratio(&at.fresh, &at.fresh_by_hand)),
            2.0,
        ),
        Bound::new(
            "instructions of a pool hit: ratio to by hand",
            largest(at, |at| ratio(&at.pool_hit, &at.reused_by_hand)),
            2.0,
        ),
    ]);
    if let Some(most) = at.last() {
        bounds.extend(in_a_large_fleet(most));
    }
    bounds
}

/// Root's instructions in the largest fleet.
fn in_a_large_fleet(at: &WithMembers) -> [Bound; 2] {
    let members = at.members;
    [
        Bound::new(
            format!("instructions of a fresh canister with {members} members: ratio to by hand"),
            ratio(&at.fresh, &at.fresh_by_hand),
            1.6,
        ),
        Bound::new(
            format!("instructions of a pool hit with {members} members: ratio to by hand"),
            ratio(&at.pool_hit, &at.reused_by_hand),
            1.6,
        ),
    ]
}

/// Modules, and the worker and its twin as they idle.
fn twins(figures: &Figures) -> Vec<Bound> {
    let mut bounds = Vec::new();
    if let [.., empty, _, worker, twin] = figures.modules.as_slice() {
        bounds.extend([
            Bound::new(
                "the worker's module, gzipped: ratio to its twin",
                worker.gzipped as f64 / twin.gzipped as f64,
                1.15,
            ),
            Bound::new(
                "the module of a member that adds nothing, gzipped, KB",
                empty.gzipped as f64 / 1e3,
                130.0,
            ),
        ]);
    }
    if let [worker, twin] = figures.idle.as_slice() {
        bounds.extend([
            Bound::new(
                "memory of an idle worker with its module, MB",
                worker.memory.total as f64 / 1e6,
                2.5,
            ),
            Bound::new(
                "cycles that an idle worker burns per day: ratio to its twin",
                worker.burned_a_day as f64 / twin.burned_a_day as f64,
                2.5,
            ),
        ]);
    }
    bounds
}

fn batch(batch: &Batch) -> [Bound; 2] {
    [
        Bound::new("failures in a batch of 1,000", batch.failed as f64, 0.0),
        Bound::new(
            "calls in flight in a batch of 1,000",
            batch.in_flight as f64,
            50.0,
        ),
    ]
}

/// The upgrades of rollouts: what each costs, and how long they take.
pub(super) fn rollouts(rollouts: &Rollouts) -> Vec<Bound> {
    let Rollouts {
        canaries,
        plain,
        with_snapshots,
        by_hand,
        large,
    } = rollouts;
    let fleets = canaries.iter().map(|(_, cost)| cost);
    let all = fleets.chain([plain, with_snapshots, large]);
    let each = all.map(Upgrades::instructions_a_member);
    let whole = [plain, with_snapshots, large];
    let growth = whole.map(|cost| cost.heap).into_iter().max();
    let ratio = |one: u64, other: u64| one as f64 / other as f64;
    let mut bounds = vec![
        Bound::new(
            "management calls of a member's upgrade",
            plain.calls_a_member(),
            5.0,
        ),
        Bound::new(
            "management calls of a member's upgrade with a snapshot",
            with_snapshots.calls_a_member(),
            7.0,
        ),
        Bound::new(
            "instructions of a member's upgrade, millions",
            each.fold(0.0, f64::max) / 1e6,
            1.5,
        ),
    ];
    if let (Some((few, few_cost)), Some((many, many_cost))) = (canaries.first(), canaries.last()) {
        bounds.push(Bound::new(
            format!("instructions of a member's upgrade: ratio of {many} members to {few}"),
            many_cost.instructions_a_member() / few_cost.instructions_a_member(),
            1.3,
        ));
    }
    bounds.extend([
        Bound::new(
            format!("failures in a rollout to {} members", large.members),
            large.failed as f64,
            0.0,
        ),
        Bound::new(
            "rounds of a rollout to 1,000 members: ratio to by hand",
            ratio(plain.rounds, by_hand.rounds),
            1.5,
        ),
        Bound::new(
            "growth of root's heap by a rollout, MB",
            growth.unwrap_or_default() as f64 / 1e6,
            1.0,
        ),
    ]);
    bounds
}

fn fees(cost: &Cost, other: &Cost) -> f64 {
    cost.fees as f64 / other.fees as f64
}

fn ratio(cost: &Cost, other: &Cost) -> f64 {
    cost.instructions as f64 / other.instructions as f64
}

fn largest(at: &[WithMembers], figure: impl Fn(&WithMembers) -> f64) -> f64 {
    at.iter().map(figure).fold(0.0, f64::max)
}
