//! The search for a canister that root created and whose id root never learnt.
//!
//! Only the reply to a creation contains the new canister's id. A trap in the callback, or a forced
//! upgrade of root, loses that reply, and the canister exists all the same. The platform numbers
//! the canisters of a subnet one after another, so the next creation that succeeds is an upper
//! bound. From there root goes downwards with `canister_info`, until it finds a canister that it
//! created and does not have on record.

use candid::Principal;

use crate::{
    operation::{
        End, Operation, Origin, Purpose, Step, Teardown, TeardownState,
        call::Reply,
        transition::{MAX_ATTEMPTS, Transition, backoff},
    },
    stable::record::Id,
};

/// Canisters that one search asks about. On a busy subnet other canisters lie between two of
/// root's.
const MAX_CANDIDATES: u32 = 100;

/// Searches for one canister. Each begins with a creation that succeeded.
const MAX_SEARCHES: u32 = 3;

/// Whether an operation ended without the id of a canister that may exist, and root may search for
/// it.
pub(crate) fn is_searchable(op: &Operation) -> bool {
    op.canister.is_none()
        && matches!(op.step, Step::Create | Step::Search)
        && op.end == Some(End::Quarantined)
        && op.search.count < MAX_SEARCHES
}

/// Opens an operation again whose canister is lost. The canister's number lies below that of
/// `upper`, which root created, too. The canister goes to the pool, because the purpose was given
/// up before.
pub(crate) fn begin(op: &mut Operation, upper: Principal) {
    op.purpose = Purpose::ImportToPool;
    op.source = Some(Origin::Fresh);
    op.teardown = Some(TeardownState::new(Teardown::Recycle));
    op.search.candidate = Some(Id(upper));
    op.search.count += 1;
    op.retry.calls = 0;
    op.end = None;
    op.enter(Step::Search);
}

/// Moves to the next canister to ask about: the first below the last that is not on record.
pub(crate) fn advance(
    op: &mut Operation,
    is_known: impl Fn(Principal) -> bool,
) -> Option<Principal> {
    loop {
        let candidate = neighbour(op.search.candidate?.0, u64::checked_sub)?;
        op.search.candidate = Some(Id(candidate));
        if !is_known(candidate) {
            return Some(candidate);
        }
    }
}

/// Decides after `canister_info`.
pub(crate) fn after_info(op: &mut Operation, reply: Reply) -> Transition {
    match reply {
        Reply::Info {
            created_by_root: true,
        } => {
            op.canister = op.search.candidate.take();
            op.enter(Step::Inspect);
            Transition::Call
        }
        // This may be the lost canister, and no later search would come back to it soon.
        Reply::Failed(failure)
            if failure.transient
                || (!failure.no_such_canister && op.retry.attempts < MAX_ATTEMPTS) =>
        {
            op.retry.attempts += 1;
            step_back(op);
            Transition::Later(backoff(op.retry.attempts.min(MAX_ATTEMPTS)))
        }
        // The canister is another controller's, or there is none with this number.
        _ if op.retry.calls < MAX_CANDIDATES => {
            op.retry.attempts = 0;
            Transition::Call
        }
        _ => Transition::Close(give_up(op)),
    }
}

/// Steps back to before the candidate, so that [`advance`] comes to it again.
pub(crate) fn step_back(op: &mut Operation) {
    op.search.candidate = op
        .search
        .candidate
        .and_then(|last| neighbour(last.0, u64::checked_add))
        .map(Id);
}

/// Ends the search without the canister.
pub(crate) fn give_up(op: &mut Operation) -> End {
    let candidates = op.retry.calls;
    op.search.candidate = None;
    op.failure = Some(format!(
        "a canister may have been created whose id is not known; \
         it is not among {candidates} candidates"
    ));
    End::Quarantined
}

/// The canister created before or after this one on the same subnet. A canister id is a number of
/// eight bytes, followed by two bytes that are the same in all ids.
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
        assert!(is_searchable(&op));
        begin(&mut op, numbered(upper));
        assert_eq!(op.search.count, 1);
        op
    }

    #[test]
    fn a_canister_on_record_is_passed_over() {
        let mut op = searching(0x100);
        let known = [numbered(0xff), numbered(0xfe)];
        let candidate = advance(&mut op, |canister| known.contains(&canister));
        assert_eq!(candidate, Some(numbered(0xfd)));
        assert_eq!(advance(&mut op, |_| false), Some(numbered(0xfc)));
    }

    #[test]
    fn a_canister_that_root_created_goes_to_the_pool() {
        let mut op = searching(9);
        let found = advance(&mut op, |_| false);
        let ours = Reply::Info {
            created_by_root: true,
        };
        assert_eq!(after_info(&mut op, ours), Transition::Call);
        assert_eq!((op.canister(), op.step), (found, Step::Inspect));
        assert_eq!(op.goal(), Some(Teardown::Recycle));
    }

    #[test]
    fn canisters_of_others_are_passed_over_up_to_a_limit() {
        let mut op = searching(1_000);
        let foreign = || Reply::Info {
            created_by_root: false,
        };
        while after_info(&mut op, foreign()) == Transition::Call {
            advance(&mut op, |_| false).unwrap();
            op.retry.calls += 1;
        }
        assert_eq!(op.retry.calls, MAX_CANDIDATES);
        op.end = Some(End::Quarantined);
        assert!(is_searchable(&op), "the next creation begins anew");
        op.search.count = MAX_SEARCHES;
        assert!(!is_searchable(&op));
    }

    #[test]
    fn a_number_that_no_canister_has_is_passed_over() {
        let mut op = searching(9);
        let none = Reply::Failed(Failure::of_management(3, "not found"));
        assert_eq!(after_info(&mut op, none), Transition::Call);
    }

    #[test]
    fn a_canister_without_an_answer_is_asked_for_again_up_to_a_limit() {
        let mut op = searching(9);
        let candidate = advance(&mut op, |_| false);
        let odd = Reply::Failed(Failure::of_management(5, "no"));
        for _ in 0..MAX_ATTEMPTS {
            assert!(matches!(
                after_info(&mut op, odd.clone()),
                Transition::Later(_)
            ));
            assert_eq!(advance(&mut op, |_| false), candidate);
        }
        assert_eq!(
            (after_info(&mut op, odd), op.retry.attempts),
            (Transition::Call, 0)
        );
        assert_ne!(advance(&mut op, |_| false), candidate);
    }

    #[test]
    fn a_search_waits_until_an_outage_is_over() {
        let mut op = searching(9);
        let candidate = advance(&mut op, |_| false);
        let outage = Reply::Failed(Failure {
            outcome: Outcome::NotApplied,
            transient: true,
            no_such_canister: false,
            reason: "later".to_string(),
        });
        for attempt in 1..4 {
            let next_time = after_info(&mut op, outage.clone());
            assert_eq!(next_time, Transition::Later(backoff(attempt)));
            assert_eq!(advance(&mut op, |_| false), candidate);
        }
    }

    #[test]
    fn a_search_ends_at_the_first_canister() {
        assert_eq!(advance(&mut searching(0), |_| false), None);
    }
}
