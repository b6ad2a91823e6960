//! The location of a canister that is to be imported: it must be on root's own subnet.
//!
//! The platform installs code from root's chunk store on root's subnet only, so a canister of
//! another subnet could neither serve in the pool nor get its role's next module. Root asks its own
//! subnet about the canister (`canister_info`, which any canister may ask for). A subnet answers
//! about its own canisters, and about no others. The question changes nothing.

use crate::operation::{
    Operation, Purpose, Step,
    call::Reply,
    teardown,
    transition::{MAX_ATTEMPTS, Transition, backoff},
};

/// Decides after `canister_info`: root looks at the canister, or leaves it as it is.
pub(crate) fn after_locate(op: &mut Operation, reply: Reply) -> Transition {
    let failure = match reply {
        Reply::Failed(failure) => failure,
        _ => {
            op.enter(match op.purpose {
                Purpose::Adopt(..) => Step::Verify,
                _ => Step::Inspect,
            });
            return Transition::Call;
        }
    };
    // Root asks again until the outage is over.
    if failure.transient {
        return Transition::Later(backoff(MAX_ATTEMPTS));
    }
    if !failure.no_such_canister && teardown::count_failed_status(op) {
        op.failure = Some(failure.reason);
        return Transition::Later(backoff(op.retry.attempts));
    }
    teardown::begin(op, failure.reason)
}

#[cfg(test)]
mod tests {
    use candid::Principal;

    use super::*;
    use crate::operation::{End, Plan, Position, Teardown, call::Failure, recovery};

    const ROOT: Principal = Principal::from_slice(&[1, 1]);

    fn importing() -> Operation {
        Operation::new(1, Purpose::ImportToPool, Step::Locate, 0)
    }

    fn adopting() -> Operation {
        let plan = Plan::sample(&[ROOT], 0, Teardown::Recycle);
        let purpose = Purpose::Adopt(Position::sample(ROOT), plan);
        Operation::new(1, purpose, Step::Locate, 0)
    }

    fn reject(code: u32) -> Reply {
        Reply::Failed(Failure::of_management(code, "no"))
    }

    #[test]
    fn a_canister_of_roots_subnet_is_looked_at() {
        for (mut op, look) in [(importing(), Step::Inspect), (adopting(), Step::Verify)] {
            assert_eq!(after_locate(&mut op, Reply::Done), Transition::Call);
            assert_eq!(op.step, look);
        }
    }

    #[test]
    fn a_canister_that_roots_subnet_does_not_know_stays_untouched() {
        for mut op in [importing(), adopting()] {
            let next = after_locate(&mut op, reject(3));
            assert_eq!(next, Transition::Close(End::Untouched));
            assert_eq!(op.step, Step::Locate, "root has not looked at it");
        }
    }

    #[test]
    fn root_asks_again_during_an_outage_and_a_few_times_after_another_reject() {
        for code in [2, 6] {
            let mut op = importing();
            for _ in 0..100 {
                let next = after_locate(&mut op, reject(code));
                assert_eq!(next, Transition::Later(backoff(MAX_ATTEMPTS)));
            }
        }
        let mut op = importing();
        for attempt in 1..MAX_ATTEMPTS {
            let next = after_locate(&mut op, reject(5));
            assert_eq!(next, Transition::Later(backoff(attempt)));
        }
        let next = after_locate(&mut op, reject(5));
        assert_eq!(next, Transition::Close(End::Untouched));
    }

    #[test]
    fn a_question_that_was_cut_off_is_asked_again() {
        let mut op = importing();
        op.in_flight = true;
        assert_eq!(recovery::resume(&mut op), Transition::Call);
        assert_eq!(op.step, Step::Locate);
    }
}
