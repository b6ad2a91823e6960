//! The rollouts: which operations they begin now, and when root asks again.

use crate::{
    api::OperationId,
    operation::rollout::{self, Next, Phase, Rollout},
    root::upgrades::{self, Found},
    state::State,
};

/// The result of [`advance`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Advanced {
    /// Operations that were put on record, and have no driver.
    pub(crate) begun: Vec<OperationId>,
    /// When root asks again, at the latest: nanoseconds since the epoch.
    pub(crate) next: Option<u64>,
}

/// Advances every rollout as far as it goes now, and writes those that ends of operations changed.
pub(crate) fn advance(state: &mut State, now: u64) -> Advanced {
    let open: Vec<u32> = state.rollouts.open_ones().map(|one| one.id).collect();
    let mut advanced = Advanced::default();
    for id in open {
        let next = advance_one(state, id, now, &mut advanced.begun);
        advanced.next = advanced.next.into_iter().chain(next).min();
    }
    state.rollouts.write_kept();
    advanced
}

/// Advances one rollout. Answers when root asks again, if no operation's end does.
fn advance_one(state: &mut State, id: u32, now: u64, begun: &mut Vec<OperationId>) -> Option<u64> {
    let mut rollout = state.rollouts.get(id)?.clone();
    let next = advance_phases(state, &mut rollout, now, begun);
    let has_ended = rollout.phase == Phase::Ended;
    state.rollouts.put(rollout);
    if has_ended {
        state.forget_unused_modules();
    }
    next
}

/// Begins the operations of each phase that the rollout enters now.
fn advance_phases(
    state: &mut State,
    rollout: &mut Rollout,
    now: u64,
    begun: &mut Vec<OperationId>,
) -> Option<u64> {
    loop {
        set_current(state, rollout);
        let open = open_operations(state, rollout);
        if open == 0 {
            prepare_end(state, rollout);
        }
        let next = rollout::next(rollout, open, now);
        if rollout.phase == Phase::Ended {
            return None;
        }
        match next {
            Next::Begin(number) => {
                for _ in 0..number {
                    match upgrades::begin(state, rollout, now) {
                        Found::Operation(operation) => begun.push(operation),
                        Found::NoMore => break,
                        Found::Later => return Some(now),
                    }
                }
            }
            Next::Entered => {}
            Next::At(time) => return Some(time),
            Next::Nothing => return None,
        }
    }
}

/// The operations for which the rollout's phase waits: its own, and at its beginning and while it
/// is undone also those of the rollout whose place it took, which may leave snapshots or the
/// release.
fn open_operations(state: &State, rollout: &Rollout) -> u32 {
    if !matches!(rollout.phase, Phase::Clear | Phase::Undo) {
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
        Phase::Rest | Phase::Undo
            if rollout.walk.exhausted && upgrades::expects_members(state, rollout) =>
        {
            rollout.walk.held += 1;
        }
        _ => {}
    }
}

/// Makes the release current that new members get in this phase: the rollout's once its canaries
/// have served for a while, and the one before while the rollout is undone. What was current
/// before a rollout stays so.
fn set_current(state: &mut State, rollout: &Rollout) {
    let current = match rollout.phase {
        Phase::Rest => rollout.to,
        Phase::Undo if !rollout.finishes => rollout.from,
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
mod tests;
