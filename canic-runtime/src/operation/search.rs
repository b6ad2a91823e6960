//! The search for a canister that root created and whose id root never learnt.
//!
//! Only the reply to a creation contains the new canister's id. A trap in the callback, or a forced
//! upgrade of root, loses that reply, and the canister exists all the same. The platform numbers
//! the canisters of a subnet one after another, so the lost one lies between two others:
//!
//! ```text
//!   low ──▶  the lost canister is in here  ◀── high
//!   │                                          │
//!   the newest canister that root knew         the first one that root created
//!   before the creation                        afterwards, once there is one
//! ```
//!
//! Root asks about the canisters in between with `canister_info`, until it finds one that it
//! created and does not have on record. It goes upwards from `low`, and by turns downwards from
//! `high` once that is known. Each answer narrows the range, so that a later search goes on where
//! an earlier one stopped; a number is free when the platform says so twice. Where the two meet,
//! root goes on upwards: of two creations that were under way at once, either may have made the
//! newer canister. A search ends where many numbers in a row are free.

use candid::Principal;

use crate::{
    operation::{
        End, Operation, Origin, Purpose, Search, Step, Teardown, TeardownState,
        call::Reply,
        transition::{MAX_ATTEMPTS, Transition, backoff},
    },
    stable::record::Id,
};

/// Calls of one search. On a busy subnet other canisters lie between two of root's.
const MAX_CANDIDATES: u32 = 1_000;

/// Searches for one canister. The first begins at once, each other one with a creation that
/// succeeded.
const MAX_SEARCHES: u32 = 10;

/// Free numbers in a row after which no canister is expected. Deleted canisters leave free numbers
/// between others.
const MAX_FREE: u32 = 50;

/// Whether an operation ended without the id of a canister that may exist, and root may search for
/// it.
pub(crate) fn is_searchable(op: &Operation) -> bool {
    op.canister.is_none()
        && matches!(op.step, Step::Create | Step::Search)
        && op.end == Some(End::Quarantined)
        && op.search.count < MAX_SEARCHES
}

/// Whether root has not searched yet for the canister of a searchable operation.
pub(crate) fn is_due(op: &Operation) -> bool {
    is_searchable(op) && op.search.count == 0
}

/// Opens an operation again whose canister is lost. The canister goes to the pool, because the
/// purpose was given up before.
pub(crate) fn begin(op: &mut Operation) {
    op.purpose = Purpose::ImportToPool;
    op.source = Some(Origin::Fresh);
    op.teardown = Some(TeardownState::new(Teardown::Recycle));
    op.search.count += 1;
    op.search.free = 0;
    op.retry.calls = 0;
    op.end = None;
    op.enter(Step::Search);
}

/// Notes that root created `canister` after the lost one.
pub(crate) fn bound(op: &mut Operation, canister: Principal) {
    let search = &mut op.search;
    let is_above_low = may_have_made(search.low, canister);
    let next = search.next.map(|next| next.0);
    if is_above_low && next.is_none_or(|next| number(canister) < number(next)) {
        search.high = Some(Id(canister));
        search.next = search.high;
    }
}

/// The next canister to ask about: the last one again, if there was no answer. `None`: no number is
/// left.
pub(crate) fn advance(
    op: &mut Operation,
    is_known: impl Fn(Principal) -> bool,
) -> Option<Principal> {
    loop {
        let search = &mut op.search;
        let candidate = match search.candidate {
            Some(candidate) => candidate.0,
            None => next(search, op.retry.calls)?,
        };
        search.candidate = Some(Id(candidate));
        if !is_known(candidate) {
            return Some(candidate);
        }
        dismiss(search);
    }
}

/// The first number above `low`, or by turns the first below `high`. A free number takes two calls.
fn next(search: &mut Search, calls: u32) -> Option<Principal> {
    let above = |search: &Search| search.low.and_then(|low| neighbour(low.0, 1));
    let below = search.high.and_then(|high| neighbour(high.0, -1));
    match (above(search), below) {
        (Some(above), Some(below)) if number(above) <= number(below) => {
            Some(if (calls / 2).is_multiple_of(2) {
                above
            } else {
                below
            })
        }
        (Some(_), Some(_)) => {
            search.high = None;
            search.low = search.next.take();
            above(search)
        }
        (above, below) => above.or(below),
    }
}

/// Narrows the range: the candidate is not the lost canister.
fn dismiss(search: &mut Search) {
    let candidate = search.candidate.take();
    let above = search.low.and_then(|low| neighbour(low.0, 1));
    if candidate.map(|candidate| candidate.0) == above {
        search.low = candidate;
    } else {
        search.high = candidate;
    }
}

/// Decides after `canister_info`.
pub(crate) fn after_info(op: &mut Operation, reply: Reply) -> Transition {
    let is_free = match reply {
        // One wrong answer must not lose the canister: no later search would come back to it.
        Reply::Failed(failure) if failure.no_such_canister && op.retry.attempts == 0 => {
            op.retry.attempts = 1;
            return Transition::Call;
        }
        Reply::Info {
            created_by_root: true,
        } => {
            op.canister = op.search.candidate.take();
            op.enter(Step::Inspect);
            return Transition::Call;
        }
        Reply::Failed(failure)
            if failure.transient
                || (!failure.no_such_canister && op.retry.attempts < MAX_ATTEMPTS) =>
        {
            op.retry.attempts += 1;
            return Transition::Later(backoff(op.retry.attempts.min(MAX_ATTEMPTS)));
        }
        Reply::Failed(failure) => failure.no_such_canister,
        _ => false,
    };
    op.retry.attempts = 0;
    op.search.free = if is_free { op.search.free + 1 } else { 0 };
    dismiss(&mut op.search);
    let is_past_all = op.search.high.is_none() && op.search.free >= MAX_FREE;
    if is_past_all || op.retry.calls >= MAX_CANDIDATES {
        return Transition::Close(give_up(op));
    }
    Transition::Call
}

/// Ends the search without the canister.
pub(crate) fn give_up(op: &mut Operation) -> End {
    let candidates = op.retry.calls;
    op.failure = Some(format!(
        "a canister may have been created whose id is not known; \
         it is not among {candidates} candidates"
    ));
    End::Quarantined
}

/// Whether a creation that root began when `low` was its newest canister may have made `canister`.
pub(crate) fn may_have_made(low: Option<Id>, canister: Principal) -> bool {
    low.is_none_or(|low| number(canister) > number(low.0))
}

/// The number of a canister on its subnet. A canister id is a number of eight bytes, followed by
/// two bytes that are the same in all ids.
pub(crate) fn number(canister: Principal) -> Option<u64> {
    let (number, _) = canister.as_slice().split_first_chunk::<8>()?;
    Some(u64::from_be_bytes(*number))
}

/// The canister whose number is larger by `distance`.
fn neighbour(canister: Principal, distance: i64) -> Option<Principal> {
    let (_, rest) = canister.as_slice().split_first_chunk::<8>()?;
    let number = number(canister)?.checked_add_signed(distance)?;
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

    /// A search above `low`, and below `high`.
    fn searching(low: Option<u64>, high: Option<u64>) -> Operation {
        let mut op = Operation::new(1, Purpose::Refill, Step::Create, 0);
        op.end = Some(End::Quarantined);
        op.search.low = low.map(numbered).map(Id);
        assert!(is_due(&op));
        begin(&mut op);
        assert_eq!(op.search.count, 1);
        if let Some(high) = high {
            bound(&mut op, numbered(high));
        }
        op
    }

    fn foreign() -> Reply {
        Reply::Info {
            created_by_root: false,
        }
    }

    fn no_such_canister() -> Reply {
        Reply::Failed(Failure::of_management(3, "not found"))
    }

    /// The numbers that a search asks about, up to its end.
    fn asked(op: &mut Operation, reply: impl Fn(u64) -> Reply) -> Vec<u64> {
        let mut asked = Vec::new();
        while let Some(candidate) = advance(op, |_| false) {
            op.retry.calls += 1;
            let candidate = number(candidate).unwrap();
            if asked.last() != Some(&candidate) {
                asked.push(candidate);
            }
            if after_info(op, reply(asked[asked.len() - 1])) != Transition::Call {
                break;
            }
        }
        asked
    }

    #[test]
    fn a_search_goes_upwards_until_numbers_are_free() {
        let mut op = searching(Some(0x100), None);
        let numbers = asked(&mut op, |number| {
            let exists = number <= 0x105;
            if exists {
                foreign()
            } else {
                no_such_canister()
            }
        });
        let last = 0x105 + u64::from(MAX_FREE);
        assert_eq!(numbers, (0x101..=last).collect::<Vec<_>>());
    }

    #[test]
    fn a_search_between_two_bounds_asks_about_each_number_once_and_then_goes_on_upwards() {
        let mut op = searching(Some(10), Some(17));
        let numbers = asked(&mut op, |_| no_such_canister());
        assert_eq!(numbers[..6], [11, 16, 12, 15, 13, 14]);
        // The six free numbers below count, too.
        let last = 17 + u64::from(MAX_FREE) - 6;
        assert_eq!(numbers[6..], (18..=last).collect::<Vec<_>>());
    }

    #[test]
    fn two_bounds_without_a_number_between_them_are_no_end() {
        let mut op = searching(Some(3), Some(4));
        assert_eq!(advance(&mut op, |_| false), Some(numbered(5)));
    }

    #[test]
    fn a_search_without_a_lower_bound_goes_downwards() {
        let mut op = searching(None, Some(3));
        assert_eq!(asked(&mut op, |_| foreign()), [2, 1, 0]);
    }

    #[test]
    fn a_later_search_goes_on_where_the_earlier_one_stopped() {
        let mut op = searching(Some(0), None);
        let first = asked(&mut op, |_| foreign());
        assert_eq!(first.len(), MAX_CANDIDATES as usize);
        op.end = Some(End::Quarantined);
        assert!(is_searchable(&op) && !is_due(&op));
        begin(&mut op);
        bound(&mut op, numbered(1_004));
        assert_eq!(
            asked(&mut op, |_| foreign())[..4],
            [1_001, 1_002, 1_003, 1_005]
        );
        op.end = Some(End::Quarantined);
        op.search.count = MAX_SEARCHES;
        assert!(!is_searchable(&op));
    }

    #[test]
    fn the_first_canister_created_afterwards_is_the_upper_bound() {
        let mut op = searching(Some(1), None);
        for high in [9, 12, 7, 1] {
            bound(&mut op, numbered(high));
        }
        assert_eq!(op.search.high, Some(Id(numbered(7))));
    }

    #[test]
    fn a_canister_on_record_is_passed_over() {
        let mut op = searching(None, Some(0x100));
        let known = [numbered(0xff), numbered(0xfe)];
        let candidate = advance(&mut op, |canister| known.contains(&canister));
        assert_eq!(candidate, Some(numbered(0xfd)));
    }

    #[test]
    fn a_canister_that_root_created_goes_to_the_pool() {
        let mut op = searching(None, Some(9));
        let found = advance(&mut op, |_| false);
        let ours = Reply::Info {
            created_by_root: true,
        };
        assert_eq!(after_info(&mut op, ours), Transition::Call);
        assert_eq!((op.canister(), op.step), (found, Step::Inspect));
        assert_eq!(op.goal(), Some(Teardown::Recycle));
    }

    #[test]
    fn a_canister_without_an_answer_is_asked_for_again_up_to_a_limit() {
        let mut op = searching(Some(1), Some(9));
        let candidate = advance(&mut op, |_| false);
        let odd = Reply::Failed(Failure::of_management(5, "no"));
        for _ in 0..MAX_ATTEMPTS {
            op.retry.calls += 1;
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
    fn a_canister_that_is_said_not_to_exist_is_asked_for_again() {
        let mut op = searching(Some(1), Some(9));
        let candidate = advance(&mut op, |_| false);
        assert_eq!(after_info(&mut op, no_such_canister()), Transition::Call);
        assert_eq!(advance(&mut op, |_| false), candidate);
        let ours = Reply::Info {
            created_by_root: true,
        };
        assert_eq!(after_info(&mut op, ours), Transition::Call);
        assert_eq!(op.canister(), candidate);
    }

    #[test]
    fn a_search_waits_until_an_outage_is_over() {
        let mut op = searching(Some(1), Some(9));
        let candidate = advance(&mut op, |_| false);
        let outage = Reply::Failed(Failure {
            outcome: Outcome::NotApplied,
            transient: true,
            no_such_canister: false,
            refuses_canister: false,
            reason: "later".to_string(),
        });
        for attempt in 1..4 {
            let next_time = after_info(&mut op, outage.clone());
            assert_eq!(next_time, Transition::Later(backoff(attempt)));
            assert_eq!(advance(&mut op, |_| false), candidate);
        }
    }

    #[test]
    fn a_creation_under_way_makes_newer_canisters_only() {
        let low = Some(Id(numbered(5)));
        assert!(may_have_made(low, numbered(6)));
        assert!(!may_have_made(low, numbered(5)));
        assert!(may_have_made(None, numbered(0)));
    }
}
