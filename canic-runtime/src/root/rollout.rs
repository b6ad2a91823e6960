//! The rollouts: which operations they begin now, and when root asks again.

use crate::{
    api::OperationId,
    operation::rollout::{self, Next, Phase, Rollout},
    state::{State, rollouts::Found},
};

/// The result of [`advance`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Advanced {
    /// Operations that were put on record, and have no driver.
    pub(crate) begun: Vec<OperationId>,
    /// When root asks again, at the latest: nanoseconds since the epoch.
    pub(crate) next: Option<u64>,
}

/// Advances every rollout as far as it goes now.
pub(crate) fn advance(state: &mut State, now: u64) -> Advanced {
    let open: Vec<u32> = state.rollouts.open_ones().map(|one| one.id).collect();
    let mut advanced = Advanced::default();
    for id in open {
        let next = advance_one(state, id, now, &mut advanced.begun);
        advanced.next = advanced.next.into_iter().chain(next).min();
    }
    advanced
}

/// Advances one rollout. Answers when root asks again, if no operation's end does.
fn advance_one(state: &mut State, id: u32, now: u64, begun: &mut Vec<OperationId>) -> Option<u64> {
    loop {
        let mut rollout = state.rollouts.get(id)?.clone();
        set_current(state, &rollout);
        let open = open_operations(state, &rollout);
        if open == 0 {
            prepare_end(state, &mut rollout);
        }
        let next = rollout::next(&mut rollout, open, now);
        let mut later = false;
        if let Next::Begin(number) = next {
            for _ in 0..number {
                match state.begin_upgrade(&mut rollout, now) {
                    Found::Operation(operation) => begun.push(operation),
                    Found::NoMore => break,
                    Found::Later => {
                        later = true;
                        break;
                    }
                }
            }
        }
        let has_ended = rollout.phase == Phase::Ended;
        state.rollouts.put(rollout);
        if has_ended {
            state.forget_unused_modules();
            return None;
        }
        match next {
            Next::Begin(_) if later => return Some(now),
            Next::Begin(_) | Next::Entered => {}
            Next::At(time) => return Some(time),
            Next::Nothing => return None,
        }
    }
}

/// The operations for which the rollout's phase waits: its own, and at its beginning also those of
/// the rollout whose place it took, which may leave snapshots.
fn open_operations(state: &State, rollout: &Rollout) -> u32 {
    if rollout.phase != Phase::Clear {
        return state.journal.open_upgrades(rollout.id);
    }
    let of_role = state.rollouts.open_ones();
    let of_role = of_role.filter(|other| other.role == rollout.role);
    of_role
        .map(|other| state.journal.open_upgrades(other.id))
        .sum()
}

/// Prepares the end of a phase of which no operation is open: without snapshots there is nothing to
/// look for, and with members on their way it has not come.
fn prepare_end(state: &State, rollout: &mut Rollout) {
    match rollout.phase {
        Phase::Clear | Phase::Settle if state.registry.snapshots(rollout.role) == 0 => {
            rollout.walk.exhausted = true;
        }
        Phase::Rest | Phase::Undo if rollout.walk.exhausted && state.expects_members(rollout) => {
            rollout.walk.held += 1;
        }
        _ => {}
    }
}

/// Makes the release current that new members get in this phase: the rollout's once its canaries
/// have served for a while, and the one before while the rollout is undone.
fn set_current(state: &mut State, rollout: &Rollout) {
    let current = match rollout.phase {
        Phase::Rest => rollout.to,
        Phase::Undo => rollout.from,
        _ => return,
    };
    let name = state.registry.role_name(rollout.role).to_string();
    let role = state.registry.role(&name).map(|role| &role.releases);
    let is_set = role.is_some_and(|releases| {
        let number = releases.current().map(|release| release.number);
        number == Some(current) && releases.candidate().is_none()
    });
    if !is_set {
        state.registry.change_releases(&name, |releases| {
            releases.set_current(current);
            releases.set_candidate(None);
        });
    }
}

#[cfg(test)]
mod tests {
    use candid::Principal;

    use super::*;
    use crate::{
        api::{RolloutControl, RolloutError, RolloutRequest},
        operation::{
            End, Job, Operation, Plan, Position, Purpose, Step, Teardown,
            rollout::{Outcome, Snapshots},
        },
        root::{
            requests::rollouts::{control, start, supersede},
            steps::tests::{ROOT, add_member, fleet},
        },
        stable::record::Id,
        state::registry::KeptSnapshot,
    };

    const SECOND: u64 = 1_000_000_000;

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
        let kept = KeptSnapshot {
            id: vec![1],
            release: 1,
        };
        state
            .registry
            .change_member(member(1), |member| member.snapshot = Some(kept));
        let id = roll_out(&mut state, Snapshots::None);
        let jobs = run(&mut state, SECOND);
        assert_eq!(jobs[0], Job::DropSnapshot);
        assert_eq!(releases(&state), [2, 2]);
        assert_eq!(outcome(&state, id), Some(Outcome::Completed));
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
}
