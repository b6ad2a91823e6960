//! The search for a canister that root created and whose id it never learnt.
//!
//! Only the answer to a creation tells the new canister's id. When that answer is lost, to a trap in its callback or to
//! an upgrade by force, the canister exists all the same. The platform numbers the canisters of a subnet one after
//! another, so the next creation that succeeds tells below which number the lost one is: from there root looks
//! downwards, with `canister_info`, for a canister that it created itself and has nowhere on record.

use crate::{
    operation::{
        End, Operation, Origin, Purpose, Step, Teardown,
        call::Reply,
        transition::{MAX_ATTEMPTS, Next, backoff},
    },
    stable::record::Id,
};
use candid::Principal;

/// Canisters that one search looks at. On a busy subnet, strangers' canisters lie between two of root's.
const MAX_LOOKS: u32 = 100;

/// Searches for one canister. Each begins with a creation that succeeded.
const MAX_SEARCHES: u32 = 3;

/// Whether an operation that ended knows of a canister that is to be searched for.
pub(crate) fn is_wanted(op: &Operation) -> bool {
    op.canister.is_none()
        && matches!(op.step, Step::Create | Step::Search)
        && op.end == Some(End::Quarantined)
        && op.searches < MAX_SEARCHES
}

/// Takes up an operation whose canister is lost: it is somewhere below `upper`, which root created, too. What it was for
/// has long been given up; a canister that is found goes to the pool.
pub(crate) fn begin(op: &mut Operation, upper: Principal) {
    op.purpose = Purpose::ImportToPool;
    op.source = Some(Origin::Fresh);
    op.clearing = Some(Teardown::Recycle);
    op.candidate = Some(Id(upper));
    op.searches += 1;
    op.calls = 0;
    op.end = None;
    op.go(Step::Search);
}

/// The next canister to look at: the first one below the last that is not on record.
pub(crate) fn next(op: &mut Operation, is_known: impl Fn(Principal) -> bool) -> Option<Principal> {
    loop {
        let candidate = neighbour(op.candidate?.0, u64::checked_sub)?;
        op.candidate = Some(Id(candidate));
        if !is_known(candidate) {
            return Some(candidate);
        }
    }
}

/// `canister_info` came back.
pub(crate) fn looked(op: &mut Operation, reply: Reply) -> Next {
    match reply {
        Reply::Info {
            created_by_root: true,
        } => {
            op.canister = op.candidate.take();
            op.go(Step::Inspect);
            Next::Call
        }
        // It may be the one: passed over, it would not be found again soon.
        Reply::Failed(failure)
            if failure.transient || (!failure.no_such_canister && op.attempts < MAX_ATTEMPTS) =>
        {
            op.attempts += 1;
            again(op);
            Next::Later(backoff(op.attempts.min(MAX_ATTEMPTS)))
        }
        // A stranger's, or there is none of this number.
        _ if op.calls < MAX_LOOKS => {
            op.attempts = 0;
            Next::Call
        }
        _ => Next::Close(given_up(op)),
    }
}

/// What was looked at last was not seen: it is looked at again.
pub(crate) fn again(op: &mut Operation) {
    op.candidate = op
        .candidate
        .and_then(|last| neighbour(last.0, u64::checked_add))
        .map(Id);
}

/// There is nothing left to look at.
pub(crate) fn given_up(op: &mut Operation) -> End {
    let looks = op.calls;
    op.candidate = None;
    op.failure = Some(format!(
        "a canister may have been created whose id is not known; it is not among {looks} that were looked at"
    ));
    End::Quarantined
}

/// The canister created before or after this one on the same subnet: canister ids are eight bytes of a number, and two
/// that all have.
fn neighbour(canister: Principal, step: fn(u64, u64) -> Option<u64>) -> Option<Principal> {
    let (number, rest) = canister.as_slice().split_first_chunk::<8>()?;
    let number = step(u64::from_be_bytes(*number), 1)?;
    Some(Principal::from_slice(
        &[&number.to_be_bytes()[..], rest].concat(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::call::{Failure, Outcome};

    fn numbered(number: u64) -> Principal {
        Principal::from_slice(&[&number.to_be_bytes()[..], &[1, 1]].concat())
    }

    fn searching(upper: u64) -> Operation {
        let mut op = Operation::new(1, Purpose::Refill, Step::Create, 0);
        op.end = Some(End::Quarantined);
        assert!(is_wanted(&op));
        begin(&mut op, numbered(upper));
        assert_eq!(op.searches, 1);
        op
    }

    #[test]
    fn what_is_on_record_is_passed_over() {
        let mut op = searching(0x100);
        let known = [numbered(0xff), numbered(0xfe)];
        let candidate = next(&mut op, |canister| known.contains(&canister));
        assert_eq!(candidate, Some(numbered(0xfd)));
        assert_eq!(next(&mut op, |_| false), Some(numbered(0xfc)));
    }

    #[test]
    fn a_canister_that_root_created_goes_to_the_pool() {
        let mut op = searching(9);
        let found = next(&mut op, |_| false);
        let ours = Reply::Info {
            created_by_root: true,
        };
        assert_eq!(looked(&mut op, ours), Next::Call);
        assert_eq!((op.canister(), op.step), (found, Step::Inspect));
        assert_eq!(op.clearing, Some(Teardown::Recycle));
    }

    #[test]
    fn strangers_are_passed_over_but_not_for_ever() {
        let mut op = searching(1_000);
        let strange = || Reply::Info {
            created_by_root: false,
        };
        while looked(&mut op, strange()) == Next::Call {
            next(&mut op, |_| false).unwrap();
            op.calls += 1;
        }
        assert_eq!(op.calls, MAX_LOOKS);
        op.end = Some(End::Quarantined);
        assert!(is_wanted(&op), "the next creation begins anew");
        op.searches = MAX_SEARCHES;
        assert!(!is_wanted(&op));
    }

    #[test]
    fn a_number_that_no_canister_has_is_passed_over() {
        let mut op = searching(9);
        let none = Reply::Failed(Failure::of_management(3, "not found"));
        assert_eq!(looked(&mut op, none), Next::Call);
    }

    #[test]
    fn a_canister_that_could_not_be_seen_is_looked_at_again_so_often_and_no_more() {
        let mut op = searching(9);
        let candidate = next(&mut op, |_| false);
        let odd = Reply::Failed(Failure::of_management(5, "no"));
        for _ in 0..MAX_ATTEMPTS {
            assert!(matches!(looked(&mut op, odd.clone()), Next::Later(_)));
            assert_eq!(next(&mut op, |_| false), candidate);
        }
        assert_eq!((looked(&mut op, odd), op.attempts), (Next::Call, 0));
        assert_ne!(next(&mut op, |_| false), candidate);
    }

    #[test]
    fn an_outage_is_waited_out() {
        let mut op = searching(9);
        let candidate = next(&mut op, |_| false);
        let outage = Reply::Failed(Failure {
            outcome: Outcome::NotApplied,
            transient: true,
            no_such_canister: false,
            reason: "later".to_string(),
        });
        for attempt in 1..4 {
            let next_time = looked(&mut op, outage.clone());
            assert_eq!(next_time, Next::Later(backoff(attempt)));
            assert_eq!(next(&mut op, |_| false), candidate);
        }
    }

    #[test]
    fn there_is_nothing_below_the_first_canister() {
        assert_eq!(next(&mut searching(0), |_| false), None);
    }
}
