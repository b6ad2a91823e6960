//! Install: the member's code, and, where the outcome is not known, what really is there.

use crate::{
    operation::{
        End, Operation, Purpose, Step,
        call::{Outcome, Reply},
        policy, teardown,
        transition::{MAX_ATTEMPTS, Next, backoff},
    },
    stable::record::Cycles,
};

/// `install_chunked_code` came back.
pub(crate) fn installed(op: &mut Operation, reply: Reply) -> Next {
    match reply {
        Reply::Failed(failure) if failure.outcome == Outcome::Unknown => verify(op),
        Reply::Failed(failure) if failure.transient => try_again(op, failure.reason),
        Reply::Failed(failure) => teardown::begin(op, failure.reason),
        _ => Next::Close(End::Done),
    }
}

/// Asks how far the installation really is.
pub(crate) fn verify(op: &mut Operation) -> Next {
    op.step = Step::Verify;
    op.attempts += 1;
    if op.attempts > MAX_ATTEMPTS {
        return teardown::begin(op, "the outcome of a call stayed unknown".to_string());
    }
    Next::Call
}

/// The same step again, later; after too many tries the way back.
pub(crate) fn try_again(op: &mut Operation, reason: String) -> Next {
    op.attempts += 1;
    if op.attempts >= MAX_ATTEMPTS {
        return teardown::begin(op, reason);
    }
    op.failure = Some(reason);
    Next::Later(backoff(op.attempts))
}

/// `canister_status` came back: does the canister stand as planned, and if not, which step is missing?
pub(crate) fn verified(op: &mut Operation, reply: Reply) -> Next {
    let status = match reply {
        Reply::Status(status) => status,
        // Looking costs nothing but patience.
        Reply::Failed(failure) if failure.transient => return Next::Later(backoff(MAX_ATTEMPTS)),
        Reply::Failed(failure) if matches!(op.purpose, Purpose::Adopt(..)) => {
            op.failure = Some(failure.reason);
            return Next::Close(End::Untouched);
        }
        Reply::Failed(failure) if teardown::may_look_again(op) => {
            op.failure = Some(failure.reason);
            return Next::Later(backoff(op.attempts));
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
    op.held = Cycles(status.cycles);
    let adopting = matches!(op.purpose, Purpose::Adopt(..));
    let step = match status.module {
        Some(module) if module == plan.module && adopting => Step::Sync,
        Some(module) if module == plan.module => return Next::Close(End::Done),
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
            op.shortfall = Cycles(policy::shortfall(status.cycles, plan.cycles.0));
            op.reserved = op.shortfall;
            if !controllers
                .into_iter()
                .eq(plan.controllers.iter().map(|id| id.0))
            {
                Step::Configure
            } else if op.shortfall.0 > 0 {
                Step::Fund
            } else {
                Step::Install
            }
        }
    };
    // The tries go on counting: they bound how often this is gone through.
    op.step = step;
    Next::Call
}

/// `canic_sync` came back.
pub(crate) fn synced(op: &mut Operation, reply: Reply) -> Next {
    match reply {
        // Telling it twice does no harm.
        Reply::Failed(failure) if failure.transient || failure.outcome == Outcome::Unknown => {
            try_again(op, failure.reason)
        }
        Reply::Failed(failure) => teardown::begin(op, failure.reason),
        _ => Next::Close(End::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        operation::{
            Plan, Position, Teardown,
            call::{Failure, Status},
        },
        stable::record::Id,
    };
    use candid::Principal;

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
    fn an_install_that_fails_is_looked_at_repeated_or_undone() {
        let outcome = |code| {
            let mut op = at(Step::Install, Purpose::Provision);
            let next = installed(&mut op, reject(code));
            (next, op.step, op.clearing)
        };
        assert_eq!(outcome(6), (Next::Call, Step::Verify, None));
        assert_eq!(outcome(2), (Next::Later(backoff(1)), Step::Install, None));
        let undone = (Next::Call, Step::Inspect, Some(Teardown::Delete));
        assert_eq!(outcome(5), undone);
    }

    #[test]
    fn a_step_is_tried_so_often_and_no_more() {
        let mut op = at(Step::Install, Purpose::Provision);
        for attempt in 1..MAX_ATTEMPTS {
            let next = try_again(&mut op, "busy".to_string());
            assert_eq!(next, Next::Later(backoff(attempt)));
            assert_eq!(op.failure.as_deref(), Some("busy"));
        }
        assert_eq!(try_again(&mut op, "busy".to_string()), Next::Call);
        assert_eq!(op.step, Step::Inspect, "the way back");
    }

    #[test]
    fn it_is_verified_so_often_and_no_more() {
        let mut op = at(Step::Install, Purpose::Provision);
        for _ in 0..MAX_ATTEMPTS {
            assert_eq!((verify(&mut op), op.step), (Next::Call, Step::Verify));
        }
        assert_eq!((verify(&mut op), op.step), (Next::Call, Step::Inspect));
    }

    #[test]
    fn a_member_is_adopted_as_it_is_or_not_at_all() {
        let mut op = at(Step::Verify, Purpose::Adopt);
        assert_eq!(verified(&mut op, seen(Some(MODULE))), Next::Call);
        assert_eq!(op.step, Step::Sync);
        assert_eq!(op.held.0, 5, "it was seen");
        for other in [None, Some([8; 32])] {
            let mut op = at(Step::Verify, Purpose::Adopt);
            let next = verified(&mut op, seen(other));
            assert_eq!(next, Next::Close(End::Untouched), "{other:?}");
        }
        let mut op = at(Step::Verify, Purpose::Adopt);
        let next = verified(&mut op, reject(5));
        assert_eq!(next, Next::Close(End::Untouched));
        assert_eq!((op.held.0, op.failure.as_deref()), (0, Some("no")));
    }

    #[test]
    fn a_canister_that_is_not_seen_is_looked_at_again() {
        let mut op = at(Step::Verify, Purpose::Provision);
        for _ in 0..100 {
            let next = verified(&mut op, reject(2));
            assert_eq!(next, Next::Later(backoff(MAX_ATTEMPTS)));
        }
        for attempt in 1..MAX_ATTEMPTS {
            assert_eq!(verified(&mut op, reject(5)), Next::Later(backoff(attempt)));
        }
        assert_eq!(verified(&mut op, reject(5)), Next::Call);
        assert_eq!(op.step, Step::Inspect, "the way back");
    }

    #[test]
    fn a_place_that_was_not_told_for_sure_is_told_again() {
        for code in [2, 6] {
            let mut op = at(Step::Sync, Purpose::Adopt);
            assert_eq!(synced(&mut op, reject(code)), Next::Later(backoff(1)));
            assert_eq!(op.step, Step::Sync);
        }
        let mut op = at(Step::Sync, Purpose::Adopt);
        assert_eq!(synced(&mut op, reject(4)), Next::Close(End::Untouched));
        let mut op = at(Step::Sync, Purpose::Adopt);
        assert_eq!(synced(&mut op, Reply::Done), Next::Close(End::Done));
    }
}
