//! Recovery: the step at which root takes up an operation that was cut off.
//!
//! Root issued a call, and the reply is not on record, because a callback trapped or root was
//! upgraded meanwhile. Recovery reads the canister's real state before the operation goes on.

use crate::operation::{
    End, Operation, Purpose, Step, refuel,
    teardown::{self, MAX_CALLS},
    transition::Transition,
    upgrade,
};

/// Decides where to take up an operation. An operation without a call in flight goes on as it is.
pub(crate) fn resume(op: &mut Operation) -> Transition {
    if !op.in_flight {
        return Transition::Call;
    }
    op.in_flight = false;
    op.retry.attempts += 1;
    if matches!(op.purpose, Purpose::Refuel(_)) {
        return refuel::resume(op);
    }
    if op.retry.calls >= MAX_CALLS && op.step != Step::Search {
        let reason = format!("{:?} was cut off again and again", op.step);
        if matches!(op.purpose, Purpose::Upgrade(..)) {
            if upgrade::may_give_up(op) {
                upgrade::give_up(op, &reason);
            }
            op.step = Step::Verify;
            return Transition::Call;
        }
        if matches!(op.purpose, Purpose::Move(..) | Purpose::Grant(_)) {
            // Neither changes the member when it fails.
            return teardown::begin(op, reason);
        }
        op.failure = Some(reason);
        return Transition::Close(End::Quarantined);
    }
    if matches!(op.purpose, Purpose::Upgrade(..)) {
        upgrade::resume(op);
        return Transition::Call;
    }
    take_up(op)
}

/// Decides where to take up an operation that is neither an upgrade nor a refuel.
fn take_up(op: &mut Operation) -> Transition {
    match op.step {
        // Only the lost reply contained the new canister's id.
        Step::Create => {
            let reason = "root was cut off while a canister was being created; its id is not known";
            op.failure = Some(reason.to_string());
            return Transition::Close(End::Quarantined);
        }
        // A search asks about its candidate again, an import about its canister. Only upgrades and
        // refuels have the steps after these.
        Step::RetireChildren
        | Step::Search
        | Step::Locate
        | Step::TakeSnapshot
        | Step::FindSnapshot
        | Step::Upgrade
        | Step::Health
        | Step::Accept
        | Step::Restore
        | Step::DropSnapshot
        | Step::Quote
        | Step::Balance
        | Step::Withdraw
        | Step::Transfer
        | Step::Notify => {}
        Step::Fund => {
            op.money.unconfirmed = op.money.shortfall;
            let is_teardown = op.teardown.is_some();
            op.step = if is_teardown {
                Step::Inspect
            } else {
                Step::Verify
            };
        }
        Step::Configure | Step::Install | Step::Verify | Step::Sync => {
            op.step = Step::Verify;
        }
        // The deletion may have been applied.
        Step::Delete => {
            op.teardown_mut().deleting = true;
            op.step = Step::Inspect;
        }
        // The canister's balance shows whether the drain was applied.
        Step::Drain => {
            op.money.drain_unsettled = true;
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
    Transition::Call
}
