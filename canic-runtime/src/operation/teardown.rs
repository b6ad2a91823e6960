//! The teardown of a canister: root empties it for the pool, or drains and deletes it.
//!
//! A retirement is a teardown, and so is the rollback of a failed provision. Each round inspects
//! the canister (`canister_status`) and takes the next missing step, so that root can repeat a
//! teardown that was cut off anywhere. A canister that root can neither empty nor delete is
//! quarantined.

use crate::{
    operation::{
        End, Operation, Origin, Purpose, Step, Teardown,
        call::{Reply, Run, Status, shorten},
        drain,
        transition::{MAX_ATTEMPTS, Transition, backoff},
    },
    stable::record::Cycles,
};

/// Calls of one operation at most. A canister that takes more is quarantined for an operator.
pub(crate) const MAX_CALLS: u32 = 200;

/// Gives the purpose up. A canister that existed before the operation stays unchanged.
pub(crate) fn begin(op: &mut Operation, reason: String) -> Transition {
    op.failure = Some(reason);
    op.money.reserve_shortfall(0);
    match &op.purpose {
        Purpose::Provision(_, plan) => {
            let goal = plan.rollback;
            op.teardown_mut().goal = goal;
            op.enter(Step::Inspect);
            Transition::Call
        }
        Purpose::Adopt(..) | Purpose::ImportToPool | Purpose::Move(..) => {
            Transition::Close(End::Untouched)
        }
        Purpose::Refill | Purpose::Retire(_) => Transition::Close(End::Quarantined),
    }
}

/// Decides after `canister_status`.
pub(crate) fn after_inspect(
    op: &mut Operation,
    reply: Reply,
    pool_has_capacity: bool,
) -> Transition {
    let status = match reply {
        Reply::Status(status) => status,
        Reply::Failed(failure) if failure.no_such_canister && op.teardown_mut().deleting => {
            // Root never inspects a deleted canister again, so one such answer is not enough.
            if !std::mem::replace(&mut op.teardown_mut().absent, true) {
                return Transition::Later(backoff(1));
            }
            op.teardown_mut().goal = Teardown::Delete;
            return Transition::Close(end_of_deletion(op));
        }
        // A status changes nothing, so root asks again until the outage is over.
        Reply::Failed(failure) if failure.transient => {
            return Transition::Later(backoff(MAX_ATTEMPTS));
        }
        Reply::Failed(failure) if is_untouched_import(op) => {
            return begin(op, failure.reason);
        }
        Reply::Failed(failure) if count_failed_status(op) => {
            op.failure.get_or_insert(failure.reason);
            return Transition::Later(backoff(op.retry.attempts));
        }
        other => return quarantine(op, format!("its canister can't be seen: {other:?}")),
    };
    if op.retry.calls >= MAX_CALLS {
        return quarantine(op, "it was not torn down after many calls".to_string());
    }
    let is_first_status = is_untouched_import(op);
    op.money.held = Cycles(status.cycles);
    if is_first_status && !pool_has_capacity {
        return begin(op, "the pool is full".to_string());
    }
    let teardown = op.teardown_mut();
    if !pool_has_capacity {
        teardown.goal = Teardown::Delete;
    }
    let step = match teardown.goal {
        Teardown::Recycle => missing_to_recycle(op, &status),
        Teardown::Delete => Some(missing_to_delete(op, &status)),
    };
    match step {
        Some(step) => {
            op.step = step;
            Transition::Call
        }
        None => Transition::Close(end_of_recycling(op)),
    }
}

/// Counts a failed status of a canister. Answers whether root may ask again.
pub(crate) fn count_failed_status(op: &mut Operation) -> bool {
    op.retry.attempts += 1;
    op.retry.attempts < MAX_ATTEMPTS
}

/// Whether this is an import whose canister root has not seen, and so has not changed.
fn is_untouched_import(op: &Operation) -> bool {
    op.source == Some(Origin::Imported) && op.money.held.0 == 0
}

/// The next step on the way to an empty canister with default settings. `None`: none is missing.
fn missing_to_recycle(op: &Operation, status: &Status) -> Option<Step> {
    let was_reset = op.teardown.is_some_and(|teardown| teardown.reset);
    if status.module.is_some() {
        Some(Step::Uninstall)
    } else if status.run != Run::Running {
        Some(Step::Start)
    } else if !status.root_controls_alone
        || !status.default_settings
        || (had_other_controllers(op) && !was_reset)
    {
        Some(Step::Reset)
    } else if status.snapshots {
        Some(Step::DropSnapshots)
    } else {
        None
    }
}

/// Whether another controller may have changed a setting that `canister_status` does not show, or
/// that has no fixed default.
fn had_other_controllers(op: &Operation) -> bool {
    op.plan().is_none_or(|plan| plan.controllers.len() > 1)
}

/// The next step on the way to a deleted canister. Root drains it first if that is worth it.
fn missing_to_delete(op: &Operation, status: &Status) -> Step {
    let drains = op.teardown.map_or(0, |teardown| teardown.drains);
    let worth_it = status.cycles >= drain::WORTH && drains < drain::MAX_TRIES;
    if worth_it && !(status.default_settings && status.root_controls_alone) {
        // A frozen canister can't be drained, nor can a canister with an allocation.
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

/// Decides after a step of the teardown.
pub(crate) fn after_step(op: &mut Operation, reply: Reply) -> Transition {
    let step = op.step;
    let poor = op.money.held.0 < drain::PRICE;
    let teardown = op.teardown_mut();
    teardown.deleting |= step == Step::Delete;
    match reply {
        // Root deletes a canister that can't pay for a drain or rejects it, instead of keeping it.
        Reply::Failed(failure)
            if matches!(step, Step::LoadDrain | Step::Drain) && (!failure.transient || poor) =>
        {
            teardown.drains += if failure.transient {
                drain::MAX_TRIES
            } else {
                1
            };
            op.enter(Step::Inspect);
            Transition::Call
        }
        Reply::Failed(failure) => try_again(op, failure.reason),
        _ if step == Step::Delete => Transition::Close(end_of_deletion(op)),
        _ => {
            teardown.reset |= step == Step::Reset;
            if step == Step::Drain {
                teardown.drains += 1;
                op.money.drain_unsettled = true;
            }
            op.enter(if step == Step::Stop {
                Step::Delete
            } else {
                Step::Inspect
            });
            Transition::Call
        }
    }
}

fn try_again(op: &mut Operation, reason: String) -> Transition {
    op.retry.attempts += 1;
    op.step = Step::Inspect;
    if op.retry.attempts >= MAX_ATTEMPTS {
        return quarantine(op, reason);
    }
    op.failure.get_or_insert(reason);
    Transition::Later(backoff(op.retry.attempts))
}

fn quarantine(op: &mut Operation, reason: String) -> Transition {
    let reason = match op.failure.take() {
        Some(first) if first != reason => format!("{first}; then: {reason}"),
        _ => reason,
    };
    op.failure = Some(shorten(&reason));
    Transition::Close(End::Quarantined)
}

fn end_of_recycling(op: &Operation) -> End {
    match op.purpose {
        Purpose::Provision(..) => End::Recycled,
        _ => End::Done,
    }
}

fn end_of_deletion(op: &Operation) -> End {
    match op.purpose {
        Purpose::Provision(..) => End::Deleted,
        _ => End::Done,
    }
}

#[cfg(test)]
mod tests {
    use candid::Principal;

    use super::*;
    use crate::{
        operation::{Plan, Position, call::Failure},
        stable::record::Id,
    };

    const CANISTER: Principal = Principal::from_slice(&[9, 1]);

    fn importing() -> Operation {
        let mut op = Operation::new(1, Purpose::ImportToPool, Step::Inspect, 0);
        op.canister = Some(Id(CANISTER));
        op.source = Some(Origin::Imported);
        op.teardown_mut().goal = Teardown::Recycle;
        op
    }

    fn reject(code: u32) -> Reply {
        Reply::Failed(Failure::of_management(code, "no"))
    }

    #[test]
    fn an_import_without_a_status_ends_untouched_at_once() {
        let mut op = importing();
        let next = after_inspect(&mut op, reject(5), true);
        assert_eq!(next, Transition::Close(End::Untouched));
        assert_eq!(op.failure.as_deref(), Some("no"));
        // Root has seen the canister once, so it goes on.
        let mut op = importing();
        op.money.held = Cycles(1);
        let next = after_inspect(&mut op, reject(5), true);
        assert_eq!(next, Transition::Later(backoff(1)));
    }

    #[test]
    fn a_refused_status_is_repeated_up_to_a_limit() {
        let mut op = importing();
        op.money.held = Cycles(1);
        for attempt in 1..MAX_ATTEMPTS {
            let next = after_inspect(&mut op, reject(5), true);
            assert_eq!(next, Transition::Later(backoff(attempt)));
        }
        let next = after_inspect(&mut op, reject(5), true);
        assert_eq!(next, Transition::Close(End::Quarantined));
    }

    #[test]
    fn an_import_into_a_full_pool_ends_untouched_only_at_its_first_status() {
        let full = |held| {
            let mut op = importing();
            op.money.held = Cycles(held);
            after_inspect(
                &mut op,
                Reply::Status(Status::sample(CANISTER, drain::WORTH)),
                false,
            )
        };
        assert_eq!(full(0), Transition::Close(End::Untouched));
        assert_eq!(
            full(1),
            Transition::Call,
            "the canister is drained and deleted"
        );
    }

    #[test]
    fn settings_that_another_controller_could_change_are_reset() {
        let provision = |controllers: &[Principal]| {
            let plan = Plan::sample(controllers, 0, Teardown::Recycle);
            Operation {
                purpose: Purpose::Provision(Position::sample(CANISTER), plan),
                ..importing()
            }
        };
        let alone = provision(&[CANISTER]);
        let fine = Status::sample(CANISTER, 0);
        assert_eq!(missing_to_recycle(&alone, &fine), None);
        let shared = Status {
            root_controls_alone: false,
            ..fine.clone()
        };
        let changed = Status {
            default_settings: false,
            ..fine.clone()
        };
        assert_eq!(missing_to_recycle(&alone, &shared), Some(Step::Reset));
        assert_eq!(missing_to_recycle(&alone, &changed), Some(Step::Reset));
        // Another controller may have changed settings that the status does not show.
        let mut shared_before = provision(&[CANISTER, Principal::anonymous()]);
        assert_eq!(missing_to_recycle(&shared_before, &fine), Some(Step::Reset));
        shared_before.teardown_mut().reset = true;
        assert_eq!(missing_to_recycle(&shared_before, &fine), None);
    }

    #[test]
    fn a_balance_worth_it_is_drained_before_the_canister_is_stopped() {
        let step = |cycles, drains| {
            let mut op = importing();
            op.teardown_mut().goal = Teardown::Delete;
            op.teardown_mut().drains = drains;
            missing_to_delete(&op, &Status::sample(CANISTER, cycles))
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
            after_step(&mut op, reject(6));
            assert_eq!(op.teardown_mut().deleting, deleting, "{step:?}");
        }
    }

    #[test]
    fn a_failed_drain_counts_and_a_poor_canister_is_not_drained_again() {
        let drains = |code, held| {
            let mut op = importing();
            op.step = Step::LoadDrain;
            op.money.held = Cycles(held);
            after_step(&mut op, reject(code));
            op.teardown_mut().drains
        };
        assert_eq!(drains(5, drain::PRICE), 1);
        assert_eq!(drains(5, drain::PRICE - 1), 1);
        assert_eq!(drains(2, drain::PRICE), 0, "the failure is transient");
        assert_eq!(drains(2, drain::PRICE - 1), drain::MAX_TRIES);
    }

    #[test]
    fn a_successful_drain_counts_and_is_settled_by_the_next_status() {
        for (step, drains) in [(Step::Drain, 2), (Step::LoadDrain, 1)] {
            let mut op = importing();
            op.step = step;
            op.teardown_mut().drains = 1;
            assert_eq!(after_step(&mut op, Reply::Done), Transition::Call);
            assert_eq!((op.step, op.teardown_mut().drains), (Step::Inspect, drains));
            assert_eq!(op.money.drain_unsettled, step == Step::Drain);
        }
    }

    #[test]
    fn an_equal_reason_is_not_repeated() {
        let mut op = importing();
        op.failure = Some("no".to_string());
        quarantine(&mut op, "no".to_string());
        assert_eq!(op.failure.as_deref(), Some("no"));
    }

    #[test]
    fn a_failed_step_is_followed_by_an_inspection_and_its_first_reason_is_kept() {
        let mut op = importing();
        op.money.held = Cycles(1);
        op.failure = Some("first".to_string());
        for attempt in 1..MAX_ATTEMPTS {
            op.step = Step::Uninstall;
            assert_eq!(
                after_step(&mut op, reject(5)),
                Transition::Later(backoff(attempt))
            );
            assert_eq!(op.step, Step::Inspect);
        }
        op.step = Step::Uninstall;
        let next = after_step(&mut op, reject(5));
        assert_eq!(next, Transition::Close(End::Quarantined));
        assert_eq!(op.failure.as_deref(), Some("first; then: no"));
    }

    #[test]
    fn a_failed_import_ends_untouched_and_a_failed_refill_in_quarantine() {
        let end = |purpose| {
            let mut op = importing();
            op.purpose = purpose;
            (op.money.shortfall, op.money.reserved) = (Cycles(1), Cycles(1));
            let next = begin(&mut op, "why".to_string());
            assert_eq!(
                (op.money.shortfall, op.money.reserved),
                (Cycles(0), Cycles(0))
            );
            assert_eq!(op.failure.as_deref(), Some("why"));
            next
        };
        assert_eq!(
            end(Purpose::ImportToPool),
            Transition::Close(End::Untouched)
        );
        assert_eq!(end(Purpose::Refill), Transition::Close(End::Quarantined));
    }
}
