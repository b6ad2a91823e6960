//! Allocation: a canister from the pool or a fresh one, with the controllers and cycles of its
//! role.

use candid::Principal;

use crate::{
    operation::{
        End, Operation, Origin, Purpose, Step,
        call::{Outcome, Reply},
        install, teardown,
        transition::Transition,
    },
    stable::record::Id,
};

/// The first step of an operation that claimed its canister from the pool.
pub(crate) fn first_step(op: &Operation, root: Principal) -> Step {
    match op.plan() {
        Some(plan) if plan.controllers != [Id(root)] => Step::Configure,
        _ => step_after_configure(op),
    }
}

fn step_after_configure(op: &Operation) -> Step {
    if op.money.shortfall.0 > 0 {
        Step::Fund
    } else {
        Step::Install
    }
}

/// Decides after `create_canister`.
pub(crate) fn after_create(op: &mut Operation, reply: Reply) -> Transition {
    match reply {
        Reply::Created(canister) => {
            op.canister = Some(Id(canister));
            op.source = Some(Origin::Fresh);
            op.padding.clear();
            op.enter(match op.purpose {
                Purpose::Refill => Step::AddToPool,
                _ => Step::Install,
            });
            Transition::Call
        }
        Reply::Failed(failure) if failure.outcome == Outcome::NotApplied => {
            op.failure = Some(failure.reason);
            Transition::Close(End::Nothing)
        }
        other => {
            op.failure = Some(format!(
                "a canister may have been created whose id is not known: {other:?}"
            ));
            Transition::Close(End::Quarantined)
        }
    }
}

/// Decides after `update_settings` or `deposit_cycles`.
pub(crate) fn after_preparation(op: &mut Operation, reply: Reply) -> Transition {
    match reply {
        Reply::Failed(failure) if failure.outcome == Outcome::Unknown => install::verify(op),
        Reply::Failed(failure) if failure.transient => install::try_again(op, failure.reason),
        Reply::Failed(failure) => teardown::begin(op, failure.reason),
        _ => {
            let next = if op.step == Step::Configure {
                step_after_configure(op)
            } else {
                Step::Install
            };
            op.enter(next);
            Transition::Call
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

    /// An operation that claimed a canister with a shortfall.
    fn claimed(controllers: &[Principal], shortfall: u128) -> Operation {
        let plan = Plan::sample(controllers, 10, Teardown::Recycle);
        let purpose = Purpose::Provision(Position::sample(ROOT), plan);
        let mut op = Operation::new(1, purpose, Step::Create, 0);
        op.canister = Some(Id(OTHER));
        op.money.shortfall = Cycles(shortfall);
        op
    }

    #[test]
    fn a_claimed_canister_begins_with_its_first_missing_step() {
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
            op.retry.attempts = 3;
            assert_eq!(after_preparation(&mut op, Reply::Done), Transition::Call);
            assert_eq!((op.step, op.retry.attempts), (to, 0), "after {from:?}");
        }
    }

    #[test]
    fn a_failed_preparation_is_verified_repeated_or_undone() {
        for step in [Step::Configure, Step::Fund] {
            let outcome = |code| {
                let mut op = claimed(&[ROOT, OTHER], 1);
                op.step = step;
                let failure = Failure::of_management(code, "no");
                let next = after_preparation(&mut op, Reply::Failed(failure));
                (next, op.step, op.goal())
            };
            assert_eq!(outcome(6), (Transition::Call, Step::Verify, None));
            let (next, after, goal) = outcome(2);
            assert!(matches!(next, Transition::Later(_)), "{next:?}");
            assert_eq!((after, goal), (step, None));
            let undone = (Transition::Call, Step::Inspect, Some(Teardown::Recycle));
            assert_eq!(outcome(5), undone);
        }
    }

    #[test]
    fn the_id_and_origin_of_a_new_canister_are_on_record() {
        let mut op = Operation::new(1, Purpose::Refill, Step::Create, 0);
        op.padding = vec![0; 64];
        assert_eq!(
            after_create(&mut op, Reply::Created(OTHER)),
            Transition::Call
        );
        assert_eq!(op.canister(), Some(OTHER));
        assert_eq!((op.source, op.step), (Some(Origin::Fresh), Step::AddToPool));
        assert!(op.padding.is_empty(), "the padding is used");
    }

    #[test]
    fn a_failed_creation_has_its_reason_on_record() {
        let ended = |code| {
            let mut op = Operation::new(1, Purpose::Refill, Step::Create, 0);
            let failure = Failure::of_management(code, "why");
            let next = after_create(&mut op, Reply::Failed(failure));
            (next, op.failure.unwrap_or_default())
        };
        assert_eq!(
            ended(5),
            (Transition::Close(End::Nothing), "why".to_string())
        );
        let (next, reason) = ended(6);
        assert_eq!(next, Transition::Close(End::Quarantined));
        assert!(
            reason.contains("why") && reason.contains("not known"),
            "{reason}"
        );
    }
}
