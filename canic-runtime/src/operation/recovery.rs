//! Recovery: an operation whose call was issued and whose reply is not on record, because a callback trapped or root
//! was upgraded meanwhile, is taken up again by looking at what really is.

use crate::operation::{
    End, Operation, Purpose, Step, search,
    teardown::{self, MAX_CALLS},
    transition::Next,
};

/// Where to take up an operation that was cut off.
pub(crate) fn resume(op: &mut Operation) -> Next {
    if !op.in_flight {
        return Next::Call;
    }
    op.in_flight = false;
    op.attempts += 1;
    if op.calls >= MAX_CALLS && matches!(op.purpose, Purpose::Move(..)) {
        // A member stays one whatever becomes of its move.
        return teardown::begin(op, format!("{:?} was cut off again and again", op.step));
    }
    if op.calls >= MAX_CALLS {
        op.failure = Some(format!("{:?} was cut off again and again", op.step));
        return Next::Close(End::Quarantined);
    }
    match op.step {
        // Only that reply could tell the new canister's id.
        Step::Create => {
            op.failure = Some(
                "root was cut off while a canister was being created; its id is not known"
                    .to_string(),
            );
            return Next::Close(End::Quarantined);
        }
        Step::RetireChildren => {}
        Step::Search => search::again(op),
        Step::Fund => {
            op.unknown = op.shortfall;
            op.step = Step::Verify;
        }
        Step::Configure | Step::Install | Step::Verify | Step::Sync => {
            op.step = Step::Verify;
        }
        // A deletion may have been the last thing that happened to the canister.
        Step::Delete => {
            op.deleting = true;
            op.step = Step::Inspect;
        }
        // Whether it was drained shows in what it holds.
        Step::Drain => {
            op.drained = true;
            op.step = Step::Inspect;
        }
        Step::Inspect
        | Step::Uninstall
        | Step::Start
        | Step::Reset
        | Step::DropSnapshots
        | Step::LoadDrain
        | Step::AddToPool
        | Step::Stop => op.step = Step::Inspect,
    }
    Next::Call
}
