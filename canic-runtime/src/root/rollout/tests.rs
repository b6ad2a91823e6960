use std::collections::{BTreeMap, BTreeSet};

use candid::Principal;
use fastrand::Rng;

use super::*;
use crate::{
    api::{RolloutControl, RolloutError, RolloutRequest},
    operation::{
        End, Job, Operation, Plan, Position, Purpose, Step, Teardown,
        rollout::{OnFailure, Outcome, Share, Snapshots},
    },
    root::{
        requests::rollouts::{control, start, supersede},
        steps::tests::{FLEET, ROOT, add_member, fleet},
    },
    stable::record::Id,
    state::registry::{KeptSnapshot, MemberStatus},
};

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 24 * 60 * 60 * SECOND;

fn member(number: u8) -> Principal {
    Principal::from_slice(&[number, 0, 1])
}

/// A fleet with so many workers of release 1, and a candidate.
fn workers(count: u8) -> State {
    let mut state = fleet();
    for number in 1..=count {
        add_member(&mut state, member(number), "worker", ROOT, None);
        state
            .registry
            .change_member(member(number), |member| member.release = 1);
    }
    approve(&mut state, 2);
    state
}

fn approve(state: &mut State, number: u8) -> u32 {
    let hash = state
        .modules
        .embed(&[b"\0asm".as_slice(), &[number]].concat());
    state.approve("worker", hash, 0);
    let releases = state.registry.role("worker").map(|role| &role.releases);
    releases.and_then(|all| all.of_module(hash)).unwrap().number
}

fn roll_out(state: &mut State, snapshots: Snapshots) -> u32 {
    let request = RolloutRequest {
        role: "worker".to_string(),
        release: None,
        plan: None,
        canaries: None,
    };
    let id = start(state, &request, 0).unwrap();
    change(state, id, |rollout| {
        rollout.plan.snapshots = snapshots;
        rollout.plan.bake = 0;
    });
    id
}

fn change(state: &mut State, id: u32, change: impl FnOnce(&mut Rollout)) {
    let mut rollout = state.rollouts.get(id).unwrap().clone();
    change(&mut rollout);
    state.rollouts.put(rollout);
}

fn outcome(state: &State, id: u32) -> Option<Outcome> {
    let rollout = state.rollouts.get(id)?;
    rollout.outcome.filter(|_| rollout.phase == Phase::Ended)
}

/// A snapshot of release 1 that a rollout keeps.
fn kept() -> KeptSnapshot {
    KeptSnapshot {
        id: vec![1],
        release: 1,
    }
}

/// Ends an operation well, with the snapshot that its plan asks for.
fn finish(state: &mut State, id: OperationId) -> Job {
    let mut op = state.journal.get(id).unwrap();
    let Purpose::Upgrade(_, plan) = op.purpose.clone() else {
        panic!("{op:?}");
    };
    let progress = op.upgrade.as_mut().unwrap();
    match plan.job {
        Job::Upgrade if plan.snapshot => progress.snapshot = Some(vec![7]),
        Job::Restore | Job::DropSnapshot => progress.snapshot = None,
        _ => {}
    }
    let end = if plan.job == Job::Restore {
        End::Reverted
    } else {
        End::Done
    };
    state.close(op, end, SECOND);
    plan.job
}

/// Advances all rollouts, each operation of which ends well, until nothing is left to do now.
fn run(state: &mut State, now: u64) -> Vec<Job> {
    let mut jobs = Vec::new();
    loop {
        let begun = advance(state, now).begun;
        if begun.is_empty() {
            return jobs;
        }
        jobs.extend(begun.into_iter().map(|id| finish(state, id)));
    }
}

fn releases(state: &State) -> Vec<u32> {
    let all = state.registry.after(None);
    all.filter_map(|id| state.registry.member(id))
        .map(|member| member.release)
        .collect()
}

#[test]
fn a_member_whose_old_snapshot_is_dropped_first_is_upgraded_all_the_same() {
    let mut state = workers(2);
    state
        .registry
        .change_member(member(1), |member| member.snapshot = Some(kept()));
    let id = roll_out(&mut state, Snapshots::None);
    let jobs = run(&mut state, SECOND);
    assert_eq!(jobs[0], Job::DropSnapshot);
    assert_eq!(releases(&state), [2, 2]);
    assert_eq!(outcome(&state, id), Some(Outcome::Completed));
}

/// Ends operations, each of which was to drop a snapshot, without having dropped it.
fn refuse_drops(state: &mut State, operations: &[OperationId]) {
    for id in operations {
        let op = state.journal.get(*id).unwrap();
        assert!(matches!(&op.purpose, Purpose::Upgrade(_, plan) if plan.job == Job::DropSnapshot));
        state.close(op, End::Abandoned, SECOND);
    }
}

#[test]
fn a_member_whose_old_snapshot_can_not_be_dropped_is_passed_over_and_holds_nobody_up() {
    let mut state = workers(3);
    state
        .registry
        .change_member(member(1), |member| member.snapshot = Some(kept()));
    let id = roll_out(&mut state, Snapshots::None);
    change(&mut state, id, |rollout| {
        rollout.plan.max_failures = Share::Members(1);
    });
    let begun = advance(&mut state, 0).begun;
    refuse_drops(&mut state, &begun);
    let jobs = run(&mut state, SECOND);
    // At the end, root tries once more.
    assert_eq!(jobs.last(), Some(&Job::DropSnapshot));
    assert_eq!(releases(&state), [1, 2, 2]);
    assert_eq!(outcome(&state, id), Some(Outcome::Completed));
    let rollout = state.rollouts.get(id).unwrap();
    assert_eq!((rollout.upgraded, &rollout.failures), (2, &begun));
    assert_eq!(state.registry.snapshots(1), 0);
}

#[test]
fn a_rollout_whose_snapshots_can_not_be_dropped_waits_a_day_or_for_a_controller() {
    let mut state = workers(2);
    let id = roll_out(&mut state, Snapshots::All);
    change(&mut state, id, |rollout| rollout.plan.keep = 5 * SECOND);
    run(&mut state, SECOND);
    let begun = advance(&mut state, 9 * SECOND).begun;
    assert_eq!(begun.len(), 2);
    refuse_drops(&mut state, &begun);
    let wait = advance(&mut state, 9 * SECOND);
    assert_eq!((wait.begun, wait.next), (vec![], Some(9 * SECOND + DAY)));
    let pause = state.rollouts.get(id).unwrap().pause.clone();
    assert_eq!(pause.as_deref(), Some("2 snapshots could not be dropped"));
    // A day later root tries again, and so it does when a controller says so.
    let begun = advance(&mut state, 9 * SECOND + DAY).begun;
    assert_eq!(state.rollouts.get(id).unwrap().pause, None);
    refuse_drops(&mut state, &begun);
    let now = 9 * SECOND + DAY;
    assert!(advance(&mut state, now).begun.is_empty());
    control(&mut state, id, RolloutControl::Resume, now).unwrap();
    assert_eq!(run(&mut state, now), [Job::DropSnapshot; 2]);
    assert_eq!(outcome(&state, id), Some(Outcome::Completed));
    assert_eq!(state.registry.snapshots(1), 0);
    let over = control(&mut state, id, RolloutControl::Resume, now);
    assert!(matches!(over, Err(RolloutError::WrongPhase { .. })));
}

#[test]
fn a_snapshot_of_an_upgrade_that_was_under_way_at_an_abort_is_dropped() {
    let mut state = workers(2);
    let id = roll_out(&mut state, Snapshots::All);
    let begun = advance(&mut state, 0).begun;
    control(&mut state, id, RolloutControl::Abort, 0).unwrap();
    assert!(advance(&mut state, 0).begun.is_empty());
    for operation in begun {
        finish(&mut state, operation);
    }
    assert_eq!(run(&mut state, SECOND), [Job::DropSnapshot]);
    assert_eq!(state.registry.snapshots(1), 0);
    assert_eq!(outcome(&state, id), Some(Outcome::Aborted));
}

#[test]
fn a_superseded_rollout_leaves_the_snapshots_of_the_next_one_alone() {
    let mut state = workers(3);
    let first = roll_out(&mut state, Snapshots::All);
    let begun = advance(&mut state, 0).begun;
    assert_eq!(begun.len(), 1, "the canary");
    let newest = approve(&mut state, 3);
    supersede(&mut state, "worker", newest, 0);
    let second = roll_out(&mut state, Snapshots::All);
    assert!(advance(&mut state, 0).begun.is_empty(), "it waits for it");
    finish(&mut state, begun[0]);
    // The first rollout's snapshot is dropped before the second one takes any.
    let begun = advance(&mut state, 0).begun;
    assert_eq!(finish(&mut state, begun[0]), Job::DropSnapshot);
    assert_eq!(outcome(&state, first), None);
    change(&mut state, second, |second| second.plan.bake = SECOND);
    run(&mut state, 0);
    assert_eq!(state.registry.snapshots(1), 1, "the canary's");
    assert_eq!(outcome(&state, first), Some(Outcome::Superseded));
    run(&mut state, 9 * SECOND);
    assert_eq!(releases(&state), [3, 3, 3]);
    assert_eq!(outcome(&state, second), Some(Outcome::Completed));
    assert_eq!(state.registry.snapshots(1), 0);
}

#[test]
fn a_rollout_that_kept_its_snapshots_leaves_those_of_the_next_one_alone() {
    let mut state = workers(2);
    let first = roll_out(&mut state, Snapshots::All);
    change(&mut state, first, |first| first.plan.keep = 5 * SECOND);
    run(&mut state, SECOND);
    assert_eq!(state.registry.snapshots(1), 2);
    approve(&mut state, 3);
    let second = roll_out(&mut state, Snapshots::All);
    change(&mut state, second, |second| {
        second.plan.bake = 1_000 * SECOND
    });
    run(&mut state, 2 * SECOND);
    assert_eq!(state.registry.snapshots(1), 1, "the canary's");
    run(&mut state, 20 * SECOND);
    assert_eq!(outcome(&state, first), Some(Outcome::Completed));
    assert_eq!(state.registry.snapshots(1), 1, "the canary's");
}

#[test]
fn a_member_that_is_being_made_with_the_old_release_is_waited_for() {
    let mut state = workers(1);
    let old = state.registry.role("worker").unwrap().module().unwrap();
    let plan = Plan {
        module: old,
        ..Plan::sample(&[ROOT], 0, Teardown::Recycle)
    };
    let position = Position::sample(ROOT);
    let id = state.take_operation_id();
    state.registry.take_position(&position, id);
    let purpose = Purpose::Provision(position, plan);
    let mut op = Operation::new(id, purpose, Step::Install, 0);
    op.canister = Some(Id(member(9)));
    state.journal.put(op.clone());
    let rollout = roll_out(&mut state, Snapshots::None);
    run(&mut state, SECOND);
    assert_eq!(outcome(&state, rollout), None);
    state.close(op, End::Done, SECOND);
    run(&mut state, 100 * SECOND);
    assert_eq!(releases(&state), [2, 2]);
    assert_eq!(outcome(&state, rollout), Some(Outcome::Completed));
}

#[test]
fn the_releases_of_a_rollout_and_of_snapshots_are_not_forgotten() {
    let mut state = workers(2);
    roll_out(&mut state, Snapshots::All);
    run(&mut state, SECOND);
    for number in 3..=6 {
        approve(&mut state, number);
    }
    let known = |state: &mut State, number| {
        state.forget_unused_modules();
        let releases = &state.registry.role("worker").unwrap().releases;
        releases.get(number).is_some()
    };
    // Back to release 1, whose members have all left release 2.
    state
        .registry
        .change_releases("worker", |releases| releases.set_candidate(Some(1)));
    let back = roll_out(&mut state, Snapshots::All);
    change(&mut state, back, |back| back.plan.keep = 1_000 * SECOND);
    run(&mut state, 2 * SECOND);
    assert_eq!(releases(&state), [1, 1]);
    assert!(known(&mut state, 2), "the rollout can be undone");
    control(&mut state, back, RolloutControl::Undo { state: true }, 0).unwrap();
    let jobs = run(&mut state, 3 * SECOND);
    assert_eq!(jobs, [Job::Restore, Job::Restore]);
    assert_eq!(releases(&state), [2, 2]);
}

#[test]
fn whoever_approves_the_current_release_again_gets_it_back_on_the_canaries() {
    let mut state = workers(3);
    let id = roll_out(&mut state, Snapshots::None);
    change(&mut state, id, |rollout| rollout.plan.bake = 9 * SECOND);
    run(&mut state, SECOND);
    let mut found = releases(&state);
    found.sort_unstable();
    assert_eq!(found, [1, 1, 2]);
    supersede(&mut state, "worker", 1, SECOND);
    run(&mut state, 2 * SECOND);
    assert_eq!(releases(&state), [1, 1, 1]);
    assert_eq!(outcome(&state, id), Some(Outcome::Undone));
}

#[test]
fn a_rollout_is_not_undone_once_a_newer_one_has_begun() {
    let mut state = workers(1);
    let first = roll_out(&mut state, Snapshots::All);
    change(&mut state, first, |first| first.plan.keep = 1_000 * SECOND);
    run(&mut state, SECOND);
    approve(&mut state, 3);
    roll_out(&mut state, Snapshots::None);
    run(&mut state, 2 * SECOND);
    let undo = RolloutControl::Undo { state: false };
    let refused = control(&mut state, first, undo, 3 * SECOND);
    assert!(matches!(refused, Err(RolloutError::WrongPhase { .. })));
    assert_eq!(releases(&state), [3]);
}

/// A rollout of the current release.
fn finish_current(state: &mut State, now: u64) -> Result<u32, RolloutError> {
    let current = state.registry.role("worker").unwrap().releases.current();
    let request = RolloutRequest {
        role: "worker".to_string(),
        release: current.map(|release| release.number),
        plan: None,
        canaries: None,
    };
    let id = start(state, &request, now)?;
    change(state, id, |rollout| {
        rollout.plan.snapshots = Snapshots::None;
        rollout.plan.bake = 0;
    });
    Ok(id)
}

/// A fleet whose rollout of release 2 was aborted when one member of the rest had it.
fn aborted_in_the_rest() -> State {
    let mut state = workers(4);
    let id = roll_out(&mut state, Snapshots::None);
    change(&mut state, id, |rollout| rollout.plan.concurrent = 1);
    while count_of(&state, 2) < 2 {
        for operation in advance(&mut state, SECOND).begun {
            finish(&mut state, operation);
        }
    }
    let begun = advance(&mut state, SECOND).begun;
    control(&mut state, id, RolloutControl::Abort, SECOND).unwrap();
    for operation in begun {
        let mut op = state.journal.get(operation).unwrap();
        op.upgrade.as_mut().unwrap().has_new = false;
        state.close(op, End::Untouched, SECOND);
    }
    run(&mut state, SECOND);
    assert_eq!(outcome(&state, id), Some(Outcome::Aborted));
    state
}

fn count_of(state: &State, release: u32) -> usize {
    let all = releases(state);
    all.iter().filter(|one| **one == release).count()
}

#[test]
fn a_rollout_of_the_current_release_reaches_the_members_that_an_abort_left_behind() {
    let mut state = aborted_in_the_rest();
    assert_eq!((count_of(&state, 1), count_of(&state, 2)), (2, 2));
    let id = finish_current(&mut state, SECOND).unwrap();
    let jobs = run(&mut state, SECOND);
    assert_eq!(jobs, [Job::Upgrade, Job::Look, Job::Upgrade]);
    assert_eq!(releases(&state), [2, 2, 2, 2]);
    assert_eq!(outcome(&state, id), Some(Outcome::Completed));
    let again = finish_current(&mut state, SECOND);
    assert_eq!(again, Err(RolloutError::AlreadyCurrent { release: 2 }));
}

#[test]
fn an_undo_of_a_rollout_of_the_current_release_touches_no_member_that_had_it_before() {
    let mut state = aborted_in_the_rest();
    let before = releases(&state);
    let id = finish_current(&mut state, SECOND).unwrap();
    change(&mut state, id, |rollout| rollout.plan.bake = 9 * SECOND);
    run(&mut state, SECOND);
    assert_eq!(count_of(&state, 2), 3, "the canary has it");
    control(&mut state, id, RolloutControl::Undo { state: false }, 0).unwrap();
    assert_eq!(run(&mut state, 2 * SECOND), [Job::Undo]);
    assert_eq!(releases(&state), before);
    let role = state.registry.role("worker").unwrap();
    let current = role.releases.current().map(|release| release.number);
    assert_eq!(current, Some(2), "it stays the current one");
}

#[test]
fn a_member_that_was_left_on_probation_is_asked_for_its_health_again() {
    for (end, left) in [(End::Untouched, 1), (End::Done, 0)] {
        let mut state = workers(2);
        let id = roll_out(&mut state, Snapshots::None);
        change(&mut state, id, |one| {
            one.plan.max_failures = Share::Members(2)
        });
        run_canary(&mut state);
        // The other member runs the new code, and root could not ask for its health.
        for operation in advance(&mut state, SECOND).begun {
            let mut op = state.journal.get(operation).unwrap();
            op.upgrade.as_mut().unwrap().has_new = true;
            state.close(op, End::Abandoned, SECOND);
        }
        run(&mut state, SECOND);
        assert_eq!(outcome(&state, id), Some(Outcome::Completed));
        assert_eq!(releases(&state), [2, 2]);
        assert_eq!(state.registry.on_probation(1), 1);
        state = State::open(&FLEET);
        assert_eq!(state.registry.on_probation(1), 1, "it is on record");
        let next = finish_current(&mut state, SECOND).unwrap();
        let begun = advance(&mut state, SECOND).begun;
        assert_eq!(
            begun.len(),
            1,
            "the member that has no probation is left alone"
        );
        let op = state.journal.get(begun[0]).unwrap();
        assert!(matches!(&op.purpose, Purpose::Upgrade(_, plan) if plan.job == Job::Look));
        state.close(op, end, SECOND);
        assert!(
            advance(&mut state, SECOND).begun.is_empty(),
            "it is asked once"
        );
        assert_eq!(outcome(&state, next), Some(Outcome::Completed));
        assert_eq!(state.registry.on_probation(1), left);
    }
}

#[test]
fn a_member_on_probation_stays_so_whatever_root_gives_up_besides() {
    // The snapshot can't be dropped, or the upgrade can't be begun.
    for (job, snapshot) in [(Job::DropSnapshot, Some(kept())), (Job::Upgrade, None)] {
        let mut state = workers(1);
        state.registry.change_member(member(1), |member| {
            member.on_probation = true;
            member.snapshot = snapshot;
        });
        let id = roll_out(&mut state, Snapshots::None);
        let [operation] = advance(&mut state, SECOND).begun[..] else {
            panic!("one operation on the one member");
        };
        let mut op = state.journal.get(operation).unwrap();
        assert!(matches!(&op.purpose, Purpose::Upgrade(_, plan) if plan.job == job));
        let progress = op.upgrade.as_mut().unwrap();
        progress.has_new = false;
        state.close(op, End::Abandoned, SECOND);
        assert_eq!(state.registry.on_probation(1), 1, "{job:?}");
        assert!(advance(&mut state, SECOND).begun.is_empty());
        assert!(state.rollouts.get(id).unwrap().pause.is_some());
    }
}

#[test]
fn an_undo_waits_for_an_upgrade_of_the_rollout_before_to_the_same_release() {
    let mut state = workers(1);
    let first = roll_out(&mut state, Snapshots::None);
    let begun = advance(&mut state, 0).begun;
    control(&mut state, first, RolloutControl::Abort, 0).unwrap();
    let request = RolloutRequest {
        role: "worker".to_string(),
        release: Some(2),
        plan: None,
        canaries: None,
    };
    let second = start(&mut state, &request, 0).unwrap();
    let undo = RolloutControl::Undo { state: false };
    control(&mut state, second, undo, 0).unwrap();
    assert!(advance(&mut state, 0).begun.is_empty());
    finish(&mut state, begun[0]);
    assert_eq!(run(&mut state, 0), [Job::Undo]);
    assert_eq!(releases(&state), [1]);
    assert_eq!(outcome(&state, second), Some(Outcome::Undone));
}

/// Ends the operations of a rollout well until its canary was looked at again.
fn run_canary(state: &mut State) {
    for job in [Job::Upgrade, Job::Look] {
        for operation in advance(state, SECOND).begun {
            assert_eq!(finish(state, operation), job);
        }
    }
}

/// The members as the platform has them: their releases, and their snapshots.
#[derive(Default)]
struct Platform {
    releases: BTreeMap<Principal, u32>,
    snapshots: BTreeSet<(Principal, Vec<u8>)>,
}

impl Platform {
    /// Ends an operation in one of the ways in which the platform lets it end.
    fn finish(&mut self, state: &mut State, id: OperationId, rng: &mut Rng) {
        let mut op = state.journal.get(id).unwrap();
        let canister = op.canister().unwrap();
        let Purpose::Upgrade(_, plan) = op.purpose.clone() else {
            self.provide(canister, state, op);
            return;
        };
        let ends = match plan.job {
            Job::Upgrade | Job::Undo => vec![End::Reverted, End::Untouched, End::Abandoned],
            Job::Look => vec![End::Untouched],
            Job::Restore | Job::DropSnapshot => vec![End::Abandoned],
        };
        let well = if plan.job == Job::Restore {
            End::Reverted
        } else {
            End::Done
        };
        let end = match rng.u32(..4) {
            0 => ends[rng.usize(..ends.len())],
            _ => well,
        };
        let before = self.releases.get(&canister).copied();
        assert_ne!(before, None, "{canister} is a member");
        let progress = op.upgrade.as_mut().unwrap();
        progress.has_new = rng.bool();
        // The platform may refuse to drop the snapshot of a member that goes back.
        let keeps = matches!(end, End::Done | End::Abandoned) || rng.bool();
        if plan.job == Job::Upgrade && plan.snapshot && keeps {
            let taken = id.to_be_bytes().to_vec();
            self.snapshots.insert((canister, taken.clone()));
            progress.snapshot = Some(taken);
        }
        let is_gone = matches!(plan.job, Job::Restore | Job::DropSnapshot) && end == well;
        if let Some(kept) = progress.snapshot.take_if(|_| is_gone) {
            assert!(self.snapshots.remove(&(canister, kept)), "it is there");
        }
        let now = match (plan.job, end) {
            (Job::Upgrade | Job::Undo, End::Done) => plan.to.number,
            (Job::Upgrade | Job::Undo | Job::Restore, End::Abandoned) if progress.has_new => {
                plan.to.number
            }
            (Job::Restore, _) => plan.from.number,
            _ => before.unwrap_or_default(),
        };
        assert_ne!(now, 0, "{plan:?}");
        self.releases.insert(canister, now);
        state.close(op, end, SECOND);
    }

    fn provide(&mut self, canister: Principal, state: &mut State, op: Operation) {
        let module = op.plan().unwrap().module;
        state.close(op, End::Done, SECOND);
        let releases = &state.registry.role("worker").unwrap().releases;
        let release = releases.of_module(module).unwrap();
        self.releases.insert(canister, release.number);
    }
}

/// Puts the provision of a worker on record.
fn provision(state: &mut State, canister: Principal) -> OperationId {
    let module = state.registry.role("worker").unwrap().module().unwrap();
    let plan = Plan {
        module,
        ..Plan::sample(&[ROOT], 0, Teardown::Recycle)
    };
    let position = Position::sample(ROOT);
    let id = state.take_operation_id();
    state.registry.take_position(&position, id);
    let mut op = Operation::new(id, Purpose::Provision(position, plan), Step::Install, 0);
    op.canister = Some(Id(canister));
    state.journal.put(op);
    id
}

/// Something that happens to a fleet at random.
fn happen(state: &mut State, platform: &mut Platform, now: u64, rng: &mut Rng) {
    let newest = state.rollouts.after(None).last().map(|one| one.id);
    match rng.u32(..12) {
        0 => {
            let release = approve(state, rng.u8(1..7));
            supersede(state, "worker", release, now);
        }
        1 | 2 => {
            let snapshots = [Snapshots::None, Snapshots::Canary, Snapshots::All][rng.usize(..3)];
            let request = RolloutRequest {
                role: "worker".to_string(),
                release: rng.bool().then(|| rng.u32(1..7)),
                plan: None,
                canaries: None,
            };
            if let Ok(id) = start(state, &request, now) {
                change(state, id, |rollout| {
                    rollout.plan.snapshots = snapshots;
                    rollout.plan.bake = rng.u64(..3) * SECOND;
                    rollout.plan.keep = rng.u64(..3) * SECOND;
                    rollout.plan.concurrent = rng.u32(1..4);
                    rollout.plan.max_failures = Share::Members(rng.u32(..4));
                    if rng.bool() {
                        rollout.plan.on_failure = OnFailure::Undo;
                    }
                });
            }
        }
        3 | 4 => {
            let wish = match rng.u32(..6) {
                0 => RolloutControl::Pause,
                1 => RolloutControl::Resume,
                2 => RolloutControl::Promote,
                3 => RolloutControl::Abort,
                _ => RolloutControl::Undo { state: rng.bool() },
            };
            if let Some(id) = newest {
                control(state, id, wish, now).ok();
            }
        }
        5 => {
            let canister = member(rng.u8(20..30));
            let is_free = !state.is_known(canister, ROOT);
            if is_free {
                provision(state, canister);
            }
        }
        6 => {
            let canister = member(rng.u8(1..30));
            let found = state.registry.member(canister);
            if let Some(found) = found.filter(|one| one.status == MemberStatus::Active) {
                let id = state.retire(canister, found, Teardown::Delete, false, now);
                let op = state.journal.get(id).unwrap();
                state.close(op, End::Done, now);
                platform.releases.remove(&canister);
                platform.snapshots.retain(|(id, _)| *id != canister);
            }
        }
        // Root is upgraded.
        7 => *state = State::open(&FLEET),
        _ => {
            let open: Vec<OperationId> = state.journal.open_operations().map(|op| op.id).collect();
            if !open.is_empty() {
                platform.finish(state, open[rng.usize(..open.len())], rng);
            }
        }
    }
}

/// The members that do not have what a rollout says, and are not named among its failures.
fn passed_over(state: &State, rollout: &Rollout) -> Vec<Principal> {
    let failed = rollout.failures.iter();
    let failed = failed.filter_map(|id| state.journal.get(*id)?.canister());
    let failed: BTreeSet<Principal> = failed.collect();
    let all = state.registry.after(None).filter_map(|canister| {
        let found = state.registry.member(canister)?;
        let (release, is_touched) = (found.release, found.rollout == rollout.id);
        let is_wrong = match rollout.outcome {
            Some(Outcome::Completed) => release != rollout.to,
            Some(Outcome::Undone) => release == rollout.to && (is_touched || !rollout.finishes),
            _ => false,
        };
        is_wrong.then_some(canister)
    });
    all.filter(|canister| !failed.contains(canister)).collect()
}

#[test]
fn whatever_happens_a_rollout_ends_and_leaves_what_roots_records_say() {
    for seed in 0..150 {
        let mut rng = Rng::with_seed(seed);
        let mut state = workers(4);
        let mut platform = Platform::default();
        for number in 1..=4 {
            platform.releases.insert(member(number), 1);
        }
        let mut now = SECOND;
        for _ in 0..rng.u32(10..120) {
            happen(&mut state, &mut platform, now, &mut rng);
            advance(&mut state, now);
            now += rng.u64(..2) * SECOND;
        }
        // Then controllers leave it alone.
        let mut rounds = 0;
        while state.journal.open_count() > 0
            || state.rollouts.open_ones().any(|one| one.pause.is_none())
        {
            let open: Vec<OperationId> = state.journal.open_operations().map(|op| op.id).collect();
            for id in open {
                platform.finish(&mut state, id, &mut rng);
            }
            advance(&mut state, now);
            now += 5 * SECOND;
            rounds += 1;
            assert!(rounds < 2_000, "seed {seed}: it goes on");
        }
        let paused = state.rollouts.open_ones();
        let paused: Vec<u32> = paused
            .filter(|one| one.is_active())
            .map(|one| one.id)
            .collect();
        for id in paused {
            control(&mut state, id, RolloutControl::Abort, now).unwrap();
        }
        for _ in 0..200 {
            let open: Vec<OperationId> = state.journal.open_operations().map(|op| op.id).collect();
            for id in open {
                platform.finish(&mut state, id, &mut rng);
            }
            advance(&mut state, now);
            now += DAY / 8;
        }
        let told = format!("seed {seed}");
        assert_eq!(state.rollouts.open_ones().count(), 0, "{told}");
        assert!(platform.snapshots.is_empty(), "{told}");
        assert_eq!(state.registry.snapshots(1), 0, "{told}");
        let all: Vec<Principal> = state.registry.after(None).collect();
        assert_eq!(all.len(), platform.releases.len(), "{told}");
        for canister in all {
            let found = state.registry.member(canister).unwrap();
            assert_eq!(found.status, MemberStatus::Active, "{told}");
            let release = platform.releases.get(&canister);
            assert_eq!(release, Some(&found.release), "{told}: {canister}");
        }
        if let Some(newest) = state.rollouts.after(None).last() {
            assert_eq!(passed_over(&state, newest), [], "{told}: {newest:?}");
        }
    }
}
