//! Blame: the provisions that failed for the sake of their canister, and the end of a canister that
//! made two of them fail.
//!
//! The platform says by a reject's code why an install, or a step before it, was not applied:
//!
//! | code | whose fault | examples |
//! |---|---|---|
//! | SYS_FATAL, SYS_TRANSIENT | the subnet's, or a lack of cycles | a full subnet, a rate limit |
//! | DESTINATION_INVALID, CANISTER_REJECT | the canister's | it is on another subnet, or gone |
//! | CANISTER_ERROR | the module's, or the argument's | `init` traps, the module is not valid |
//!
//! Where the platform refuses a canister that it made for root a moment ago, the canister is not to
//! blame. Root then blames none for [`SPARED`], or until an install succeeds.

use crate::operation::{Operation, Refusals, call::shorten_to};

/// Refused provisions after which a canister goes to quarantine.
pub(crate) const MAX_REFUSALS: u32 = 2;

/// Nanoseconds for which root blames no canister after the platform refused a new one: a day.
pub(crate) const SPARED: u64 = 86_400_000_000_000;

/// Bytes of a reason that a record of the pool keeps.
const MAX_REASON: usize = 200;

/// Counts a provision that the platform refused on its canister.
pub(crate) fn note_refusal(op: &mut Operation) {
    let reason = op.failure.as_deref().unwrap_or_default();
    let refusals = op.refusals.get_or_insert_with(|| Refusals {
        count: 0,
        reason: shorten_to(reason, MAX_REASON),
    });
    refusals.count += 1;
}

/// The reason for which an emptied canister goes to quarantine instead of the pool, if there is
/// one.
pub(crate) fn verdict(op: &Operation) -> Option<String> {
    let Refusals { count, reason } = op.refusals.as_ref()?;
    (*count >= MAX_REFUSALS).then(|| {
        format!("the platform refused {count} provisions on this canister, the first: {reason}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Purpose, Step};

    #[test]
    fn a_canister_is_unfit_after_two_refusals_and_keeps_the_first_reason() {
        let mut op = Operation::new(1, Purpose::Refill, Step::Install, 0);
        assert_eq!(verdict(&op), None);
        op.failure = Some("one".repeat(100));
        note_refusal(&mut op);
        assert_eq!(verdict(&op), None);
        op.failure = Some("two".to_string());
        note_refusal(&mut op);
        let reason = verdict(&op).unwrap();
        assert!(reason.contains("2 provisions"), "{reason}");
        assert!(
            reason.contains("one") && !reason.contains("two"),
            "{reason}"
        );
        assert_eq!(op.refusals.unwrap().reason.len(), MAX_REASON);
    }
}
