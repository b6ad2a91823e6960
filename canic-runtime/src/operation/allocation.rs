//! Allocation: a canister from the pool or a fresh one, made to fit the role.

use crate::{
    operation::{
        End, Operation, Origin, Purpose, Step,
        call::{Outcome, Reply},
        install, teardown,
        transition::Next,
    },
    stable::record::Id,
};
use candid::Principal;

/// Where an operation begins whose canister was claimed from the pool.
pub(crate) fn first_step(op: &Operation, root: Principal) -> Step {
    match op.plan() {
        Some(plan) if plan.controllers != [Id(root)] => Step::Configure,
        _ => after_configure(op),
    }
}

fn after_configure(op: &Operation) -> Step {
    if op.shortfall.0 > 0 {
        Step::Fund
    } else {
        Step::Install
    }
}

/// `create_canister` came back.
pub(crate) fn created(op: &mut Operation, reply: Reply) -> Next {
    match reply {
        Reply::Created(canister) => {
            op.canister = Some(Id(canister));
            op.source = Some(Origin::Fresh);
            op.room.clear();
            op.go(match op.purpose {
                Purpose::Refill => Step::AddToPool,
                _ => Step::Install,
            });
            Next::Call
        }
        Reply::Failed(failure) if failure.outcome == Outcome::NotApplied => {
            op.failure = Some(failure.reason);
            Next::Close(End::Nothing)
        }
        other => {
            op.failure = Some(format!(
                "a canister may have been created whose id is not known: {other:?}"
            ));
            Next::Close(End::Quarantined)
        }
    }
}

/// `update_settings` or `deposit_cycles` came back.
pub(crate) fn prepared(op: &mut Operation, reply: Reply) -> Next {
    match reply {
        Reply::Failed(failure) if failure.outcome == Outcome::Unknown => install::verify(op),
        Reply::Failed(failure) if failure.transient => install::try_again(op, failure.reason),
        Reply::Failed(failure) => teardown::begin(op, failure.reason),
        _ => {
            let next = if op.step == Step::Configure {
                after_configure(op)
            } else {
                Step::Install
            };
            op.go(next);
            Next::Call
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        operation::{Plan, Position, Teardown, call::Failure},
        stable::record::Cycles,
    };

    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    const OTHER: Principal = Principal::from_slice(&[2, 1]);

    /// An operation that claimed a canister which lacks so many cycles.
    fn claimed(controllers: &[Principal], shortfall: u128) -> Operation {
        let plan = Plan::sample(controllers, 10, Teardown::Recycle);
        let purpose = Purpose::Provision(Position::sample(ROOT), plan);
        let mut op = Operation::new(1, purpose, Step::Create, 0);
        op.canister = Some(Id(OTHER));
        op.shortfall = Cycles(shortfall);
        op
    }

    #[test]
    fn a_claimed_canister_begins_with_what_it_lacks() {
        let cases = [
            (&[ROOT][..], 0, Step::Install),
            (&[ROOT], 1, Step::Fund),
            (&[ROOT, OTHER], 0, Step::Configure),
            (&[ROOT, OTHER], 1, Step::Configure),
            (&[OTHER], 0, Step::Configure),
        ];
        for (controllers, shortfall, step) in cases {
            let op = claimed(controllers, shortfall);
            assert_eq!(first_step(&op, ROOT), step, "{controllers:?} {shortfall}");
        }
    }

    #[test]
    fn controllers_come_before_cycles_and_both_before_the_install() {
        for (from, shortfall, to) in [
            (Step::Configure, 1, Step::Fund),
            (Step::Configure, 0, Step::Install),
            (Step::Fund, 1, Step::Install),
        ] {
            let mut op = claimed(&[ROOT, OTHER], shortfall);
            op.step = from;
            op.attempts = 3;
            assert_eq!(prepared(&mut op, Reply::Done), Next::Call);
            assert_eq!((op.step, op.attempts), (to, 0), "after {from:?}");
        }
    }

    #[test]
    fn preparations_that_fail_are_looked_at_repeated_or_given_up() {
        for step in [Step::Configure, Step::Fund] {
            let outcome = |code| {
                let mut op = claimed(&[ROOT, OTHER], 1);
                op.step = step;
                let failure = Failure::of_management(code, "no");
                let next = prepared(&mut op, Reply::Failed(failure));
                (next, op.step, op.clearing)
            };
            assert_eq!(outcome(6), (Next::Call, Step::Verify, None));
            let (next, at, clearing) = outcome(2);
            assert!(matches!(next, Next::Later(_)), "{next:?}");
            assert_eq!((at, clearing), (step, None));
            let given_up = (Next::Call, Step::Inspect, Some(Teardown::Recycle));
            assert_eq!(outcome(5), given_up);
        }
    }

    #[test]
    fn what_is_known_of_a_new_canister_is_on_record() {
        let mut op = Operation::new(1, Purpose::Refill, Step::Create, 0);
        op.room = vec![0; 64];
        assert_eq!(created(&mut op, Reply::Created(OTHER)), Next::Call);
        assert_eq!(op.canister(), Some(OTHER));
        assert_eq!((op.source, op.step), (Some(Origin::Fresh), Step::AddToPool));
        assert!(op.room.is_empty(), "the room is used");
    }

    #[test]
    fn a_creation_that_failed_says_why() {
        let ended = |code| {
            let mut op = Operation::new(1, Purpose::Refill, Step::Create, 0);
            let failure = Failure::of_management(code, "why");
            let next = created(&mut op, Reply::Failed(failure));
            (next, op.failure.unwrap_or_default())
        };
        assert_eq!(ended(5), (Next::Close(End::Nothing), "why".to_string()));
        let (next, reason) = ended(6);
        assert_eq!(next, Next::Close(End::Quarantined));
        assert!(
            reason.contains("why") && reason.contains("not known"),
            "{reason}"
        );
    }
}
