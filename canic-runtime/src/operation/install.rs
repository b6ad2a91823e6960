//! The install of a member's code, and the verification of a call whose outcome is unknown.

use crate::{
    operation::{
        End, Operation, Purpose, Step,
        call::{Outcome, Reply},
        policy, teardown,
        transition::{MAX_ATTEMPTS, Transition, backoff},
    },
    stable::record::Cycles,
};

/// Decides after `install_chunked_code`.
pub(crate) fn after_install(op: &mut Operation, reply: Reply) -> Transition {
    match reply {
        Reply::Failed(failure) if failure.outcome == Outcome::Unknown => verify(op),
        Reply::Failed(failure) if failure.transient => try_again(op, failure.reason),
        Reply::Failed(failure) => teardown::begin(op, failure.reason),
        _ => Transition::Close(End::Done),
    }
}

/// Goes on with `canister_status`, to learn how far the installation is.
pub(crate) fn verify(op: &mut Operation) -> Transition {
    op.step = Step::Verify;
    op.retry.attempts += 1;
    if op.retry.attempts > MAX_ATTEMPTS {
        return teardown::begin(op, "the outcome of a call stayed unknown".to_string());
    }
    Transition::Call
}

/// Repeats the step later. After [`MAX_ATTEMPTS`] tries the teardown begins.
pub(crate) fn try_again(op: &mut Operation, reason: String) -> Transition {
    op.retry.attempts += 1;
    if op.retry.attempts >= MAX_ATTEMPTS {
        return teardown::begin(op, reason);
    }
    op.failure = Some(reason);
    Transition::Later(backoff(op.retry.attempts))
}

/// Decides after `canister_status`: the canister is as planned, or the next missing step follows.
pub(crate) fn after_verify(op: &mut Operation, reply: Reply) -> Transition {
    let status = match reply {
        Reply::Status(status) => status,
        // A status changes nothing, so root asks again until the outage is over.
        Reply::Failed(failure) if failure.transient => {
            return Transition::Later(backoff(MAX_ATTEMPTS));
        }
        Reply::Failed(failure) if matches!(op.purpose, Purpose::Adopt(..)) => {
            op.failure = Some(failure.reason);
            return Transition::Close(End::Untouched);
        }
        Reply::Failed(failure) if teardown::count_failed_status(op) => {
            op.failure = Some(failure.reason);
            return Transition::Later(backoff(op.retry.attempts));
        }
        other => {
            return teardown::begin(
                op,
                format!("its canister can't be seen any more: {other:?}"),
            );
        }
    };
    let Some(plan) = op.plan().cloned() else {
        return teardown::begin(op, "it has no plan".to_string());
    };
    op.money.held = Cycles(status.cycles);
    let adopting = matches!(op.purpose, Purpose::Adopt(..));
    let step = match status.module {
        Some(module) if module == plan.module && adopting => {
            if status.minimum_call_cycles > 0 {
                let reason = format!(
                    "it takes no call with less than {} cycles, and root sends none: set its \
                     minimum_incoming_canister_call_cycles to 0 first",
                    status.minimum_call_cycles
                );
                return teardown::begin(op, reason);
            }
            Step::Sync
        }
        Some(module) if module == plan.module => return Transition::Close(End::Done),
        Some(_) => {
            return teardown::begin(
                op,
                "it runs another module than the approved one".to_string(),
            );
        }
        None if adopting => return teardown::begin(op, "it runs no module".to_string()),
        None => {
            let mut controllers = status.controllers;
            controllers.sort_unstable();
            let shortfall = policy::shortfall(status.cycles, plan.cycles.0);
            op.money.reserve_shortfall(shortfall);
            if !controllers
                .into_iter()
                .eq(plan.controllers.iter().map(|id| id.0))
            {
                Step::Configure
            } else if op.money.shortfall.0 > 0 {
                Step::Fund
            } else {
                Step::Install
            }
        }
    };
    // The count of attempts goes on: it bounds how often root goes through these steps.
    op.step = step;
    Transition::Call
}

/// Decides after `canic_sync`.
pub(crate) fn after_sync(op: &mut Operation, reply: Reply) -> Transition {
    match reply {
        // `canic_sync` is idempotent.
        Reply::Failed(failure) if failure.transient || failure.outcome == Outcome::Unknown => {
            try_again(op, failure.reason)
        }
        Reply::Failed(failure) => teardown::begin(op, failure.reason),
        _ => Transition::Close(End::Done),
    }
}

#[cfg(test)]
mod tests {
    use candid::Principal;

    use super::*;
    use crate::{
        operation::{
            Plan, Position, Teardown,
            call::{Failure, Status},
        },
        stable::record::Id,
    };

    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    const MODULE: [u8; 32] = [7; 32];

    fn at(step: Step, purpose: fn(Position, Plan) -> Purpose) -> Operation {
        let plan = Plan::sample(&[ROOT], 0, Teardown::Delete);
        let mut op = Operation::new(1, purpose(Position::sample(ROOT), plan), step, 0);
        op.canister = Some(Id(ROOT));
        op
    }

    fn reject(code: u32) -> Reply {
        Reply::Failed(Failure::of_management(code, "no"))
    }

    fn seen(module: Option<[u8; 32]>) -> Reply {
        Reply::Status(Status {
            module,
            ..Status::sample(ROOT, 5)
        })
    }

    #[test]
    fn a_failed_install_is_verified_repeated_or_undone() {
        let outcome = |code| {
            let mut op = at(Step::Install, Purpose::Provision);
            let next = after_install(&mut op, reject(code));
            (next, op.step, op.goal())
        };
        assert_eq!(outcome(6), (Transition::Call, Step::Verify, None));
        assert_eq!(
            outcome(2),
            (Transition::Later(backoff(1)), Step::Install, None)
        );
        let undone = (Transition::Call, Step::Inspect, Some(Teardown::Delete));
        assert_eq!(outcome(5), undone);
    }

    #[test]
    fn a_step_is_tried_up_to_a_limit() {
        let mut op = at(Step::Install, Purpose::Provision);
        for attempt in 1..MAX_ATTEMPTS {
            let next = try_again(&mut op, "busy".to_string());
            assert_eq!(next, Transition::Later(backoff(attempt)));
            assert_eq!(op.failure.as_deref(), Some("busy"));
        }
        assert_eq!(try_again(&mut op, "busy".to_string()), Transition::Call);
        assert_eq!(op.step, Step::Inspect, "the teardown");
    }

    #[test]
    fn an_install_is_verified_up_to_a_limit() {
        let mut op = at(Step::Install, Purpose::Provision);
        for _ in 0..MAX_ATTEMPTS {
            assert_eq!((verify(&mut op), op.step), (Transition::Call, Step::Verify));
        }
        assert_eq!(
            (verify(&mut op), op.step),
            (Transition::Call, Step::Inspect)
        );
    }

    #[test]
    fn a_member_with_the_approved_module_is_adopted_and_any_other_left_untouched() {
        let mut op = at(Step::Verify, Purpose::Adopt);
        assert_eq!(after_verify(&mut op, seen(Some(MODULE))), Transition::Call);
        assert_eq!(op.step, Step::Sync);
        assert_eq!(op.money.held.0, 5, "the balance is on record");
        for other in [None, Some([8; 32])] {
            let mut op = at(Step::Verify, Purpose::Adopt);
            let next = after_verify(&mut op, seen(other));
            assert_eq!(next, Transition::Close(End::Untouched), "{other:?}");
        }
        let deaf = Reply::Status(Status {
            module: Some(MODULE),
            minimum_call_cycles: 7,
            ..Status::sample(ROOT, 5)
        });
        let mut op = at(Step::Verify, Purpose::Adopt);
        let next = after_verify(&mut op, deaf);
        assert_eq!(next, Transition::Close(End::Untouched));
        let reason = op.failure.unwrap();
        assert!(reason.contains("less than 7 cycles"), "{reason}");
        let mut op = at(Step::Verify, Purpose::Adopt);
        let next = after_verify(&mut op, reject(5));
        assert_eq!(next, Transition::Close(End::Untouched));
        assert_eq!((op.money.held.0, op.failure.as_deref()), (0, Some("no")));
    }

    #[test]
    fn a_status_that_fails_is_repeated() {
        let mut op = at(Step::Verify, Purpose::Provision);
        for _ in 0..100 {
            let next = after_verify(&mut op, reject(2));
            assert_eq!(next, Transition::Later(backoff(MAX_ATTEMPTS)));
        }
        for attempt in 1..MAX_ATTEMPTS {
            assert_eq!(
                after_verify(&mut op, reject(5)),
                Transition::Later(backoff(attempt))
            );
        }
        assert_eq!(after_verify(&mut op, reject(5)), Transition::Call);
        assert_eq!(op.step, Step::Inspect, "the teardown");
    }

    #[test]
    fn a_sync_without_a_clear_outcome_is_repeated() {
        for code in [2, 6] {
            let mut op = at(Step::Sync, Purpose::Adopt);
            assert_eq!(
                after_sync(&mut op, reject(code)),
                Transition::Later(backoff(1))
            );
            assert_eq!(op.step, Step::Sync);
        }
        let mut op = at(Step::Sync, Purpose::Adopt);
        assert_eq!(
            after_sync(&mut op, reject(4)),
            Transition::Close(End::Untouched)
        );
        let mut op = at(Step::Sync, Purpose::Adopt);
        assert_eq!(
            after_sync(&mut op, Reply::Done),
            Transition::Close(End::Done)
        );
    }
}
