//! Install: the member's code, and, where the outcome is not known, what really is there.

use crate::{
    journal::{End, Operation, Purpose, Step},
    memory::Cycles,
    next::{MAX_ATTEMPTS, Next, backoff},
    platform::{Outcome, Reply},
    policy, rollback,
};

/// `install_chunked_code` came back.
pub(crate) fn installed(op: &mut Operation, reply: Reply) -> Next {
    match reply {
        Reply::Failed(failure) if failure.outcome == Outcome::Unknown => verify(op),
        Reply::Failed(failure) if failure.passing => try_again(op, failure.reason),
        Reply::Failed(failure) => rollback::begin(op, failure.reason),
        _ => Next::Close(End::Done),
    }
}

/// Asks how far the installation really is.
pub(crate) fn verify(op: &mut Operation) -> Next {
    op.step = Step::Verify;
    op.attempts += 1;
    if op.attempts > MAX_ATTEMPTS {
        return rollback::begin(op, "the outcome of a call stayed unknown".to_string());
    }
    Next::Call
}

/// The same step again, later; after too many tries the way back.
pub(crate) fn try_again(op: &mut Operation, reason: String) -> Next {
    op.attempts += 1;
    if op.attempts >= MAX_ATTEMPTS {
        return rollback::begin(op, reason);
    }
    op.failure = Some(reason);
    Next::Later(backoff(op.attempts))
}

/// `canister_status` came back: does the canister stand as planned, and if not, which step is missing?
pub(crate) fn verified(op: &mut Operation, reply: Reply) -> Next {
    let status = match reply {
        Reply::Status(status) => status,
        // Looking costs nothing but patience.
        Reply::Failed(failure) if failure.passing => return Next::Later(backoff(MAX_ATTEMPTS)),
        Reply::Failed(failure) if matches!(op.purpose, Purpose::Adopt(..)) => {
            op.failure = Some(failure.reason);
            return Next::Close(End::Untouched);
        }
        Reply::Failed(failure) if rollback::may_look_again(op) => {
            op.failure = Some(failure.reason);
            return Next::Later(backoff(op.attempts));
        }
        other => {
            return rollback::begin(
                op,
                format!("its canister can't be seen any more: {other:?}"),
            );
        }
    };
    let Some(plan) = op.plan().cloned() else {
        return rollback::begin(op, "it has no plan".to_string());
    };
    op.held = Cycles(status.cycles);
    let adopting = matches!(op.purpose, Purpose::Adopt(..));
    let step = match status.module {
        Some(module) if module == plan.module && adopting => Step::Sync,
        Some(module) if module == plan.module => return Next::Close(End::Done),
        Some(_) => {
            return rollback::begin(
                op,
                "it runs another module than the approved one".to_string(),
            );
        }
        None if adopting => return rollback::begin(op, "it runs no module".to_string()),
        None => {
            let mut controllers = status.controllers;
            controllers.sort_unstable();
            op.shortfall = Cycles(policy::shortfall(status.cycles, plan.cycles.0));
            op.reserved = op.shortfall;
            if !controllers
                .into_iter()
                .eq(plan.controllers.iter().map(|id| id.0))
            {
                Step::Configure
            } else if op.shortfall.0 > 0 {
                Step::Fund
            } else {
                Step::Install
            }
        }
    };
    // The tries go on counting: they bound how often this is gone through.
    op.step = step;
    Next::Call
}

/// `canic_sync` came back.
pub(crate) fn synced(op: &mut Operation, reply: Reply) -> Next {
    match reply {
        // Telling it twice does no harm.
        Reply::Failed(failure) if failure.passing || failure.outcome == Outcome::Unknown => {
            try_again(op, failure.reason)
        }
        Reply::Failed(failure) => rollback::begin(op, failure.reason),
        _ => Next::Close(End::Done),
    }
}
