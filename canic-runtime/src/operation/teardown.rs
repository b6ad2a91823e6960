//! The way back: a canister is emptied for the pool, or drained and deleted.
//!
//! Each round looks at the canister (`canister_status`) and takes the one step that is missing, so that it does not
//! matter where an earlier try was cut off. What can be neither emptied nor deleted is quarantined.

use crate::{
    operation::{
        End, Operation, Origin, Purpose, Step, Teardown,
        call::{Reply, Run, Status},
        drain,
        transition::{MAX_ATTEMPTS, Next, backoff},
    },
    stable::record::Cycles,
};

/// Calls of one operation at most. A canister that takes more is kept for people to look at.
pub(crate) const MAX_CALLS: u32 = 200;

/// Gives the purpose up. What existed before the operation stays as it is.
pub(crate) fn begin(op: &mut Operation, reason: String) -> Next {
    op.failure = Some(reason);
    op.shortfall = Cycles(0);
    op.reserved = Cycles(0);
    match &op.purpose {
        Purpose::Provision(_, plan) => {
            op.clearing = Some(plan.rollback);
            op.go(Step::Inspect);
            Next::Call
        }
        Purpose::Adopt(..) | Purpose::ImportToPool | Purpose::Move(..) => {
            Next::Close(End::Untouched)
        }
        Purpose::Refill | Purpose::Retire(_) => Next::Close(End::Quarantined),
    }
}

/// `canister_status` came back.
pub(crate) fn inspected(op: &mut Operation, reply: Reply, pool_has_room: bool) -> Next {
    let status = match reply {
        Reply::Status(status) => status,
        Reply::Failed(failure) if failure.no_such_canister && op.deleting => {
            // A canister that is given up is never looked for again: one such answer is not enough.
            if !std::mem::replace(&mut op.absent, true) {
                return Next::Later(backoff(1));
            }
            op.clearing = Some(Teardown::Delete);
            return Next::Close(deleted(op));
        }
        // Looking costs nothing but patience.
        Reply::Failed(failure) if failure.transient => return Next::Later(backoff(MAX_ATTEMPTS)),
        Reply::Failed(failure) if is_untouched_import(op) => {
            return begin(op, failure.reason);
        }
        Reply::Failed(failure) if may_look_again(op) => {
            op.failure.get_or_insert(failure.reason);
            return Next::Later(backoff(op.attempts));
        }
        other => return quarantine(op, format!("its canister can't be seen: {other:?}")),
    };
    if op.calls >= MAX_CALLS {
        return quarantine(op, "it was not cleared after many calls".to_string());
    }
    let first_look = is_untouched_import(op);
    op.held = Cycles(status.cycles);
    if first_look && !pool_has_room {
        return begin(op, "the pool is full".to_string());
    }
    let clearing = match op.clearing {
        Some(Teardown::Delete) => Teardown::Delete,
        _ if !pool_has_room => Teardown::Delete,
        _ => Teardown::Recycle,
    };
    op.clearing = Some(clearing);
    let step = match clearing {
        Teardown::Recycle => to_empty(op, &status),
        Teardown::Delete => Some(to_delete(op, &status)),
    };
    match step {
        Some(step) => {
            op.step = step;
            Next::Call
        }
        None => Next::Close(recycled(op)),
    }
}

/// Whether to look once more at a canister that could not be seen, for a reason that may not pass.
pub(crate) fn may_look_again(op: &mut Operation) -> bool {
    op.attempts += 1;
    op.attempts < MAX_ATTEMPTS
}

/// Whether this is an import that never got to see its canister: nothing was done to it yet.
fn is_untouched_import(op: &Operation) -> bool {
    op.source == Some(Origin::Imported) && op.held.0 == 0
}

/// What is missing until a canister is as good as new.
fn to_empty(op: &Operation, status: &Status) -> Option<Step> {
    if status.module.is_some() {
        Some(Step::Uninstall)
    } else if status.run != Run::Running {
        Some(Step::Start)
    } else if !status.root_controls_alone
        || !status.default_settings
        || (was_lived_in(op) && !op.reset)
    {
        Some(Step::Reset)
    } else if status.snapshots {
        Some(Step::DropSnapshots)
    } else {
        None
    }
}

/// Whether others may have changed settings that `canister_status` does not show, or that have no fixed default.
fn was_lived_in(op: &Operation) -> bool {
    op.plan().is_none_or(|plan| plan.controllers.len() > 1)
}

/// What is missing until a canister is gone. Its cycles go first.
fn to_delete(op: &Operation, status: &Status) -> Step {
    let worth_it = status.cycles >= drain::WORTH && op.drains < drain::MAX_TRIES;
    if worth_it && !(status.default_settings && status.root_controls_alone) {
        // What is frozen or allocated can't be drained.
        return Step::Reset;
    }
    match (worth_it, status.run) {
        (true, Run::Running) if status.module == Some(drain::hash()) => Step::Drain,
        (true, Run::Running) => Step::LoadDrain,
        (true, _) => Step::Start,
        (false, Run::Stopped) => Step::Delete,
        (false, _) => Step::Stop,
    }
}

/// One of the steps above came back.
pub(crate) fn cleared(op: &mut Operation, reply: Reply) -> Next {
    let step = op.step;
    if step == Step::Delete {
        op.deleting = true;
    }
    match reply {
        // Too poor to pay for being drained, or refusing to be: not a reason to keep it for ever.
        Reply::Failed(failure)
            if matches!(step, Step::LoadDrain | Step::Drain)
                && (!failure.transient || op.held.0 < drain::PRICE) =>
        {
            op.drains += if failure.transient {
                drain::MAX_TRIES
            } else {
                1
            };
            op.go(Step::Inspect);
            Next::Call
        }
        Reply::Failed(failure) => try_again(op, failure.reason),
        _ if step == Step::Delete => Next::Close(deleted(op)),
        _ => {
            if step == Step::Drain {
                op.drains += 1;
                op.drained = true;
            }
            op.reset |= step == Step::Reset;
            op.go(if step == Step::Stop {
                Step::Delete
            } else {
                Step::Inspect
            });
            Next::Call
        }
    }
}

fn try_again(op: &mut Operation, reason: String) -> Next {
    op.attempts += 1;
    op.step = Step::Inspect;
    if op.attempts >= MAX_ATTEMPTS {
        return quarantine(op, reason);
    }
    op.failure.get_or_insert(reason);
    Next::Later(backoff(op.attempts))
}

fn quarantine(op: &mut Operation, reason: String) -> Next {
    let reason = match op.failure.take() {
        Some(first) if first != reason => format!("{first}; then: {reason}"),
        _ => reason,
    };
    op.failure = Some(crate::operation::call::shorten(&reason));
    Next::Close(End::Quarantined)
}

fn recycled(op: &Operation) -> End {
    match op.purpose {
        Purpose::Provision(..) => End::Recycled,
        _ => End::Done,
    }
}

fn deleted(op: &Operation) -> End {
    match op.purpose {
        Purpose::Provision(..) => End::Deleted,
        _ => End::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        operation::{Plan, Position, call::Failure},
        stable::record::Id,
    };
    use candid::Principal;

    const CANISTER: Principal = Principal::from_slice(&[9, 1]);

    fn importing() -> Operation {
        let mut op = Operation::new(1, Purpose::ImportToPool, Step::Inspect, 0);
        op.canister = Some(Id(CANISTER));
        op.source = Some(Origin::Imported);
        op.clearing = Some(Teardown::Recycle);
        op
    }

    fn reject(code: u32) -> Reply {
        Reply::Failed(Failure::of_management(code, "no"))
    }

    #[test]
    fn an_import_that_cannot_be_seen_is_left_alone_at_once() {
        let mut op = importing();
        let next = inspected(&mut op, reject(5), true);
        assert_eq!(next, Next::Close(End::Untouched));
        assert_eq!(op.failure.as_deref(), Some("no"));
        // Once it was seen, it is in hand.
        let mut op = importing();
        op.held = Cycles(1);
        let next = inspected(&mut op, reject(5), true);
        assert_eq!(next, Next::Later(backoff(1)));
    }

    #[test]
    fn a_look_that_is_refused_is_repeated_so_often_and_no_more() {
        let mut op = importing();
        op.held = Cycles(1);
        for attempt in 1..MAX_ATTEMPTS {
            let next = inspected(&mut op, reject(5), true);
            assert_eq!(next, Next::Later(backoff(attempt)));
        }
        let next = inspected(&mut op, reject(5), true);
        assert_eq!(next, Next::Close(End::Quarantined));
    }

    #[test]
    fn an_import_into_a_full_pool_is_left_alone_only_at_first_sight() {
        let full = |held| {
            let mut op = importing();
            op.held = Cycles(held);
            inspected(
                &mut op,
                Reply::Status(Status::sample(CANISTER, drain::WORTH)),
                false,
            )
        };
        assert_eq!(full(0), Next::Close(End::Untouched));
        assert_eq!(full(1), Next::Call, "it is drained and deleted");
    }

    #[test]
    fn what_others_could_change_is_set_back() {
        let provision = |controllers: &[Principal]| {
            let plan = Plan::sample(controllers, 0, Teardown::Recycle);
            Operation {
                purpose: Purpose::Provision(Position::sample(CANISTER), plan),
                ..importing()
            }
        };
        let alone = provision(&[CANISTER]);
        let fine = Status::sample(CANISTER, 0);
        assert_eq!(to_empty(&alone, &fine), None);
        let shared = Status {
            root_controls_alone: false,
            ..fine.clone()
        };
        let changed = Status {
            default_settings: false,
            ..fine.clone()
        };
        assert_eq!(to_empty(&alone, &shared), Some(Step::Reset));
        assert_eq!(to_empty(&alone, &changed), Some(Step::Reset));
        // What does not show may have been changed by somebody who controlled it, too.
        let mut lived_in = provision(&[CANISTER, Principal::anonymous()]);
        assert_eq!(to_empty(&lived_in, &fine), Some(Step::Reset));
        lived_in.reset = true;
        assert_eq!(to_empty(&lived_in, &fine), None);
    }

    #[test]
    fn what_is_worth_it_is_drained_before_it_is_stopped() {
        let step = |cycles, drains| {
            let mut op = importing();
            op.clearing = Some(Teardown::Delete);
            op.drains = drains;
            to_delete(&op, &Status::sample(CANISTER, cycles))
        };
        assert_eq!(step(drain::WORTH, 0), Step::LoadDrain);
        assert_eq!(step(drain::WORTH - 1, 0), Step::Stop);
        assert_eq!(step(drain::WORTH, drain::MAX_TRIES - 1), Step::LoadDrain);
        assert_eq!(step(drain::WORTH, drain::MAX_TRIES), Step::Stop);
    }

    #[test]
    fn only_a_deletion_that_was_tried_can_explain_that_a_canister_is_gone() {
        for (step, deleting) in [(Step::Delete, true), (Step::Stop, false)] {
            let mut op = importing();
            op.step = step;
            cleared(&mut op, reject(6));
            assert_eq!(op.deleting, deleting, "{step:?}");
        }
    }

    #[test]
    fn a_drain_that_fails_counts_and_a_poor_canister_is_not_tried_again() {
        let drains = |code, held| {
            let mut op = importing();
            op.step = Step::LoadDrain;
            op.held = Cycles(held);
            cleared(&mut op, reject(code));
            op.drains
        };
        assert_eq!(drains(5, drain::PRICE), 1);
        assert_eq!(drains(5, drain::PRICE - 1), 1);
        assert_eq!(drains(2, drain::PRICE), 0, "it may pass");
        assert_eq!(drains(2, drain::PRICE - 1), drain::MAX_TRIES);
    }

    #[test]
    fn a_drain_that_works_counts_and_shows_at_the_next_look() {
        for (step, drains) in [(Step::Drain, 2), (Step::LoadDrain, 1)] {
            let mut op = importing();
            (op.step, op.drains) = (step, 1);
            assert_eq!(cleared(&mut op, Reply::Done), Next::Call);
            assert_eq!((op.step, op.drains), (Step::Inspect, drains));
            assert_eq!(op.drained, step == Step::Drain);
        }
    }

    #[test]
    fn one_reason_is_told_once() {
        let mut op = importing();
        op.failure = Some("no".to_string());
        quarantine(&mut op, "no".to_string());
        assert_eq!(op.failure.as_deref(), Some("no"));
    }

    #[test]
    fn a_step_that_fails_is_followed_by_a_look_and_its_first_reason_is_kept() {
        let mut op = importing();
        op.held = Cycles(1);
        op.failure = Some("first".to_string());
        for attempt in 1..MAX_ATTEMPTS {
            op.step = Step::Uninstall;
            assert_eq!(cleared(&mut op, reject(5)), Next::Later(backoff(attempt)));
            assert_eq!(op.step, Step::Inspect);
        }
        op.step = Step::Uninstall;
        let next = cleared(&mut op, reject(5));
        assert_eq!(next, Next::Close(End::Quarantined));
        assert_eq!(op.failure.as_deref(), Some("first; then: no"));
    }

    #[test]
    fn what_was_given_up_was_there_before_or_is_undone_or_kept() {
        let end = |purpose| {
            let mut op = importing();
            op.purpose = purpose;
            (op.shortfall, op.reserved) = (Cycles(1), Cycles(1));
            let next = begin(&mut op, "why".to_string());
            assert_eq!((op.shortfall, op.reserved), (Cycles(0), Cycles(0)));
            assert_eq!(op.failure.as_deref(), Some("why"));
            next
        };
        assert_eq!(end(Purpose::ImportToPool), Next::Close(End::Untouched));
        assert_eq!(end(Purpose::Refill), Next::Close(End::Quarantined));
    }
}
