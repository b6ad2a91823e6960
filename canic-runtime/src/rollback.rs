//! The way back: a canister is emptied for the pool, or drained and deleted.
//!
//! Each round looks at the canister (`canister_status`) and takes the one step that is missing, so that it does not
//! matter where an earlier try was cut off. What can be neither emptied nor deleted is quarantined.

use crate::{
    drain,
    journal::{Clearing, End, Operation, Origin, Purpose, Step},
    memory::Cycles,
    next::{MAX_ATTEMPTS, Next, backoff},
    platform::{Reply, Run, Status},
};

/// Calls of one operation at most. A canister that takes more is kept for people to look at.
pub(crate) const MAX_CALLS: u32 = 200;

/// Gives the purpose up. What existed before the operation stays as it is.
pub(crate) fn begin(op: &mut Operation, reason: String) -> Next {
    op.failure = Some(reason);
    op.shortfall = Cycles(0);
    op.reserved = Cycles(0);
    match &op.purpose {
        Purpose::Provision(_, plan) => {
            op.clearing = Some(plan.rollback);
            op.go(Step::Inspect);
            Next::Call
        }
        Purpose::Adopt(..) | Purpose::ImportToPool => Next::Close(End::Untouched),
        Purpose::Refill | Purpose::Retire(_) => Next::Close(End::Quarantined),
    }
}

/// `canister_status` came back.
pub(crate) fn inspected(op: &mut Operation, reply: Reply, pool_has_room: bool) -> Next {
    let status = match reply {
        Reply::Status(status) => status,
        Reply::Failed(failure) if failure.no_such_canister && op.deleting => {
            // A canister that is given up is never looked for again: one such answer is not enough.
            if !std::mem::replace(&mut op.absent, true) {
                return Next::Later(backoff(1));
            }
            op.clearing = Some(Clearing::Delete);
            return Next::Close(deleted(op));
        }
        // Looking costs nothing but patience.
        Reply::Failed(failure) if failure.passing => return Next::Later(backoff(MAX_ATTEMPTS)),
        Reply::Failed(failure) if is_untouched_import(op) => {
            return begin(op, failure.reason);
        }
        Reply::Failed(failure) if may_look_again(op) => {
            op.failure.get_or_insert(failure.reason);
            return Next::Later(backoff(op.attempts));
        }
        other => return quarantine(op, format!("its canister can't be seen: {other:?}")),
    };
    if op.calls >= MAX_CALLS {
        return quarantine(op, "it was not cleared after many calls".to_string());
    }
    let first_look = is_untouched_import(op);
    op.held = Cycles(status.cycles);
    if first_look && !pool_has_room {
        return begin(op, "the pool is full".to_string());
    }
    let clearing = match op.clearing {
        Some(Clearing::Delete) => Clearing::Delete,
        _ if !pool_has_room => Clearing::Delete,
        _ => Clearing::Recycle,
    };
    op.clearing = Some(clearing);
    let step = match clearing {
        Clearing::Recycle => to_empty(op, &status),
        Clearing::Delete => Some(to_delete(op, &status)),
    };
    match step {
        Some(step) => {
            op.step = step;
            Next::Call
        }
        None => Next::Close(recycled(op)),
    }
}

/// Whether to look once more at a canister that could not be seen, for a reason that may not pass.
pub(crate) fn may_look_again(op: &mut Operation) -> bool {
    op.attempts += 1;
    op.attempts < MAX_ATTEMPTS
}

/// Whether this is an import that never got to see its canister: nothing was done to it yet.
fn is_untouched_import(op: &Operation) -> bool {
    op.source == Some(Origin::Imported) && op.held.0 == 0
}

/// What is missing until a canister is as good as new.
fn to_empty(op: &Operation, status: &Status) -> Option<Step> {
    if status.module.is_some() {
        Some(Step::Uninstall)
    } else if status.run != Run::Running {
        Some(Step::Start)
    } else if !status.root_controls_alone
        || !status.default_settings
        || (was_lived_in(op) && !op.reset)
    {
        Some(Step::Reset)
    } else if status.snapshots {
        Some(Step::DropSnapshots)
    } else {
        None
    }
}

/// Whether others may have changed settings that `canister_status` does not show, or that have no fixed default.
fn was_lived_in(op: &Operation) -> bool {
    op.plan().is_none_or(|plan| plan.controllers.len() > 1)
}

/// What is missing until a canister is gone. Its cycles go first.
fn to_delete(op: &Operation, status: &Status) -> Step {
    let worth_it = status.cycles >= drain::WORTH && op.drains < drain::MAX_TRIES;
    if worth_it && !(status.default_settings && status.root_controls_alone) {
        // What is frozen or allocated can't be drained.
        return Step::Reset;
    }
    match (worth_it, status.run) {
        (true, Run::Running) if status.module == Some(drain::hash()) => Step::Drain,
        (true, Run::Running) => Step::LoadDrain,
        (true, _) => Step::Start,
        (false, Run::Stopped) => Step::Delete,
        (false, _) => Step::Stop,
    }
}

/// One of the steps above came back.
pub(crate) fn cleared(op: &mut Operation, reply: Reply) -> Next {
    let step = op.step;
    if step == Step::Delete {
        op.deleting = true;
    }
    match reply {
        // Too poor to pay for being drained, or refusing to be: not a reason to keep it for ever.
        Reply::Failed(failure)
            if matches!(step, Step::LoadDrain | Step::Drain)
                && (!failure.passing || op.held.0 < drain::PRICE) =>
        {
            op.drains += if failure.passing { drain::MAX_TRIES } else { 1 };
            op.go(Step::Inspect);
            Next::Call
        }
        Reply::Failed(failure) => try_again(op, failure.reason),
        _ if step == Step::Delete => Next::Close(deleted(op)),
        _ => {
            if step == Step::Drain {
                op.drains += 1;
                op.drained = true;
            }
            op.reset |= step == Step::Reset;
            op.go(if step == Step::Stop {
                Step::Delete
            } else {
                Step::Inspect
            });
            Next::Call
        }
    }
}

fn try_again(op: &mut Operation, reason: String) -> Next {
    op.attempts += 1;
    op.step = Step::Inspect;
    if op.attempts >= MAX_ATTEMPTS {
        return quarantine(op, reason);
    }
    op.failure.get_or_insert(reason);
    Next::Later(backoff(op.attempts))
}

fn quarantine(op: &mut Operation, reason: String) -> Next {
    let reason = match op.failure.take() {
        Some(first) if first != reason => format!("{first}; then: {reason}"),
        _ => reason,
    };
    op.failure = Some(crate::platform::shorten(&reason));
    Next::Close(End::Quarantined)
}

fn recycled(op: &Operation) -> End {
    match op.purpose {
        Purpose::Provision(..) => End::Recycled,
        _ => End::Done,
    }
}

fn deleted(op: &Operation) -> End {
    match op.purpose {
        Purpose::Provision(..) => End::Deleted,
        _ => End::Done,
    }
}
