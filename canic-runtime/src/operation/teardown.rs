//! The teardown of a canister: root empties it for the pool, or drains and deletes it.
//!
//! A retirement is a teardown, and so is the rollback of a failed provision. Each round inspects
//! the canister (`canister_status`) and takes the next missing step, so that root can repeat a
//! teardown that was cut off anywhere. A canister that root can neither empty nor delete is
//! quarantined.

use crate::{
    operation::{
        End, Operation, Origin, Purpose, Step, Teardown, TeardownState, blame,
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
        Purpose::Adopt(..)
        | Purpose::ImportToPool
        | Purpose::Move(..)
        | Purpose::Upgrade(..)
        | Purpose::Grant(_) => Transition::Close(End::Untouched),
        Purpose::Refill | Purpose::Retire(_) | Purpose::Refuel(_) => {
            Transition::Close(End::Quarantined)
        }
    }
}

/// The resources of root that decide about a teardown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    /// Whether the pool can take one more canister.
    pub(crate) pool_has_capacity: bool,
    /// Cycles that root can lend to a canister.
    pub(crate) available: u128,
    /// The platform's fee for a new canister in cycles, to which all its prices are proportional.
    pub(crate) creation_fee: u128,
}

/// Decides after `canister_status`.
pub(crate) fn after_inspect(op: &mut Operation, reply: Reply, resources: &Resources) -> Transition {
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
    let pool_is_full = !resources.pool_has_capacity;
    if is_first_status && pool_is_full {
        return begin(op, "the pool is full".to_string());
    }
    let teardown = op.teardown_mut();
    if pool_is_full && teardown.goal == Teardown::Recycle {
        teardown.goal = Teardown::Delete;
    }
    let step = match teardown.goal {
        Teardown::Recycle => missing_to_recycle(op, &status),
        Teardown::Delete | Teardown::Destroy => match missing_to_delete(op, &status, resources) {
            Ok(step) => Some(step),
            Err(reason) => return quarantine(op, reason),
        },
    };
    match step {
        Some(step) => {
            op.step = step;
            Transition::Call
        }
        None => match blame::verdict(op) {
            Some(reason) => quarantine(op, reason),
            None => Transition::Close(end_of_recycling(op)),
        },
    }
}

/// When root asks again for a status that it did not get: a status changes nothing.
///
/// # Errors
///
/// The reason, if it has asked often enough.
pub(crate) fn ask_again(op: &mut Operation, reply: Reply) -> Result<Transition, String> {
    match reply {
        // Root asks until the outage is over.
        Reply::Failed(failure) if failure.transient => Ok(Transition::Later(backoff(MAX_ATTEMPTS))),
        Reply::Failed(failure) if count_failed_status(op) => {
            op.failure = Some(failure.reason);
            Ok(Transition::Later(backoff(op.retry.attempts)))
        }
        other => Err(format!("its canister can't be seen: {other:?}")),
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

/// The next step on the way to a canister that is as good as new. `None`: none is missing.
///
/// Root takes the controllers first: from the look that shows root alone, nobody else can change
/// the canister. What its code, or another controller, left until then goes with the code: also the
/// log of an install that failed, which no status shows.
fn missing_to_recycle(op: &mut Operation, status: &Status) -> Option<Step> {
    let TeardownState { reset, emptied, .. } = *op.teardown_mut();
    let may_be_changed = had_other_controllers(op) || status.unread_settings;
    if !status.root_controls_alone || !status.default_settings || (may_be_changed && !reset) {
        Some(Step::Reset)
    } else if status.module.is_some() || status.chunks || !emptied {
        Some(Step::Uninstall)
    } else if status.run != Run::Running {
        Some(Step::Start)
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

/// The next step on the way to a deleted canister, or the reason for which root keeps it. Root
/// drains it first, and lends it the cycles for that.
fn missing_to_delete(
    op: &mut Operation,
    status: &Status,
    resources: &Resources,
) -> Result<Step, String> {
    let TeardownState { goal, drains, .. } = *op.teardown_mut();
    if status.cycles < drain::worth(resources.creation_fee) {
        return Ok(missing_to_delete_drained(status));
    }
    if drains >= drain::MAX_TRIES {
        return give_up_draining(status, goal, &format!("{drains} drains failed"));
    }
    if !(status.drainable_settings && status.root_controls_alone) {
        return Ok(Step::Reset);
    }
    if status.run != Run::Running {
        return Ok(Step::Start);
    }
    if status.module == Some(drain::hash()) {
        return Ok(Step::Drain);
    }
    let lacking = drain::loan(status.cycles, resources.creation_fee);
    if lacking > resources.available {
        let why = format!("root lacks the {lacking} cycles to lend for a drain");
        return give_up_draining(status, goal, &why);
    }
    op.money.reserve_shortfall(lacking);
    Ok(if lacking > 0 {
        Step::Fund
    } else {
        Step::LoadDrain
    })
}

/// The next step for a canister whose cycles are not worth a drain, or are given up.
fn missing_to_delete_drained(status: &Status) -> Step {
    match status.run {
        Run::Stopped => Step::Delete,
        Run::Running | Run::Stopping => Step::Stop,
    }
}

/// Keeps a canister with cycles that root can't get, unless root is told to destroy it.
fn give_up_draining(status: &Status, goal: Teardown, why: &str) -> Result<Step, String> {
    if goal == Teardown::Destroy {
        return Ok(missing_to_delete_drained(status));
    }
    Err(format!(
        "it holds {} cycles that would be destroyed with it: {why}; retire it with `Destroy` to \
         delete it all the same",
        status.cycles
    ))
}

/// Decides after a step of the teardown.
pub(crate) fn after_step(op: &mut Operation, reply: Reply, resources: &Resources) -> Transition {
    let step = op.step;
    let poor = op.money.held.0 < drain::price(resources.creation_fee);
    let teardown = op.teardown_mut();
    teardown.deleting |= step == Step::Delete;
    match reply {
        Reply::Failed(failure)
            if matches!(step, Step::LoadDrain | Step::Drain) && (!failure.transient || poor) =>
        {
            teardown.drains += 1;
            op.enter(Step::Inspect);
            Transition::Call
        }
        Reply::Failed(failure) => try_again(op, failure.reason),
        _ if step == Step::Delete => Transition::Close(end_of_deletion(op)),
        _ => {
            match step {
                Step::Reset => (teardown.reset, teardown.emptied) = (true, false),
                Step::Uninstall => teardown.emptied = true,
                _ => {}
            }
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
    const B: u128 = 1_000_000_000;
    const WORTH: u128 = 100 * B;
    const PRICE: u128 = 400 * B;

    fn resources(pool_has_capacity: bool) -> Resources {
        Resources {
            pool_has_capacity,
            available: 1_000 * B,
            creation_fee: 500 * B,
        }
    }

    fn after_inspect(op: &mut Operation, reply: Reply, pool_has_capacity: bool) -> Transition {
        super::after_inspect(op, reply, &resources(pool_has_capacity))
    }

    fn after_step(op: &mut Operation, reply: Reply) -> Transition {
        super::after_step(op, reply, &resources(true))
    }

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
                Reply::Status(Status::sample(CANISTER, WORTH)),
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

    /// A provision that recycles its canister, which root has uninstalled already.
    fn provision(controllers: &[Principal]) -> Operation {
        let plan = Plan::sample(controllers, 0, Teardown::Recycle);
        let mut op = Operation {
            purpose: Purpose::Provision(Position::sample(CANISTER), plan),
            ..importing()
        };
        op.teardown_mut().emptied = true;
        op
    }

    #[test]
    fn settings_that_another_controller_could_change_are_reset() {
        let mut alone = provision(&[CANISTER]);
        let fine = Status::sample(CANISTER, 0);
        assert_eq!(missing_to_recycle(&mut alone, &fine), None);
        let shared = Status {
            root_controls_alone: false,
            ..fine.clone()
        };
        let changed = Status {
            default_settings: false,
            ..fine.clone()
        };
        assert_eq!(missing_to_recycle(&mut alone, &shared), Some(Step::Reset));
        assert_eq!(missing_to_recycle(&mut alone, &changed), Some(Step::Reset));
        // Another controller may have changed settings that the status does not show.
        let mut shared_before = provision(&[CANISTER, Principal::anonymous()]);
        let next = missing_to_recycle(&mut shared_before, &fine);
        assert_eq!(next, Some(Step::Reset));
        shared_before.teardown_mut().reset = true;
        assert_eq!(missing_to_recycle(&mut shared_before, &fine), None);
    }

    #[test]
    fn a_teardown_of_an_earlier_version_goes_on_with_emptying_the_canister() {
        /// The record before it had `emptied`.
        #[derive(minicbor::Encode)]
        struct Earlier(
            #[n(0)] Teardown,
            #[n(1)] u32,
            #[n(2)] bool,
            #[n(3)] bool,
            #[n(4)] bool,
        );
        let earlier = Earlier(Teardown::Recycle, 2, true, false, false);
        let bytes = minicbor::to_vec(earlier).unwrap();
        let teardown: TeardownState = minicbor::decode(&bytes).unwrap();
        assert!(teardown.reset && !teardown.emptied, "{teardown:?}");
    }

    #[test]
    fn settings_that_root_cannot_read_are_reset_once() {
        let mut op = provision(&[CANISTER]);
        let newer = Status {
            unread_settings: true,
            ..Status::sample(CANISTER, 0)
        };
        assert_eq!(missing_to_recycle(&mut op, &newer), Some(Step::Reset));
        op.teardown_mut().reset = true;
        assert_eq!(missing_to_recycle(&mut op, &newer), None);
    }

    #[test]
    fn a_canister_is_emptied_after_root_became_its_only_controller() {
        let mut op = provision(&[CANISTER]);
        let fine = Status::sample(CANISTER, 0);
        // Another controller could put code, chunks or lines of the log into it meanwhile.
        op.step = Step::Reset;
        after_step(&mut op, Reply::Done);
        assert_eq!(missing_to_recycle(&mut op, &fine), Some(Step::Uninstall));
        op.step = Step::Uninstall;
        after_step(&mut op, reject(5));
        assert_eq!(missing_to_recycle(&mut op, &fine), Some(Step::Uninstall));
        op.step = Step::Uninstall;
        after_step(&mut op, Reply::Done);
        assert_eq!(missing_to_recycle(&mut op, &fine), None);
        let filled = Status {
            chunks: true,
            ..fine
        };
        assert_eq!(missing_to_recycle(&mut op, &filled), Some(Step::Uninstall));
    }

    #[test]
    fn a_balance_worth_it_is_drained_before_the_canister_is_stopped() {
        let step = |cycles, drains| {
            let mut op = importing();
            op.teardown_mut().goal = Teardown::Delete;
            op.teardown_mut().drains = drains;
            let status = Status::sample(CANISTER, cycles);
            missing_to_delete(&mut op, &status, &resources(true)).ok()
        };
        assert_eq!(step(PRICE, 0), Some(Step::LoadDrain));
        assert_eq!(step(WORTH, 0), Some(Step::Fund));
        assert_eq!(step(WORTH - 1, 0), Some(Step::Stop));
        assert_eq!(step(PRICE, drain::MAX_TRIES - 1), Some(Step::LoadDrain));
        assert_eq!(step(WORTH, drain::MAX_TRIES), None);
        assert_eq!(step(WORTH - 1, drain::MAX_TRIES), Some(Step::Stop));
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
    fn a_failed_drain_counts_unless_the_platform_is_busy() {
        let drains = |code, held| {
            let mut op = importing();
            op.step = Step::LoadDrain;
            op.money.held = Cycles(held);
            after_step(&mut op, reject(code));
            op.teardown_mut().drains
        };
        assert_eq!(drains(5, PRICE), 1);
        assert_eq!(drains(5, PRICE - 1), 1);
        assert_eq!(drains(2, PRICE), 0, "the failure is transient");
        assert_eq!(drains(2, PRICE - 1), 1);
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
