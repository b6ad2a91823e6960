//! Allocation: a canister from the pool or a fresh one, made to fit the role.

use crate::{
    install,
    journal::{End, Operation, Origin, Purpose, Step},
    memory::Id,
    next::Next,
    platform::{Outcome, Reply},
    rollback,
};
use candid::Principal;

/// Where an operation begins whose canister was claimed from the pool.
pub(crate) fn first_step(op: &Operation, root: Principal) -> Step {
    match op.plan() {
        Some(plan) if plan.controllers != [Id(root)] => Step::Configure,
        _ => after_configure(op),
    }
}

fn after_configure(op: &Operation) -> Step {
    if op.shortfall.0 > 0 {
        Step::Fund
    } else {
        Step::Install
    }
}

/// `create_canister` came back.
pub(crate) fn created(op: &mut Operation, reply: Reply) -> Next {
    match reply {
        Reply::Created(canister) => {
            op.canister = Some(Id(canister));
            op.source = Some(Origin::Fresh);
            op.room.clear();
            op.go(match op.purpose {
                Purpose::Refill => Step::Shelve,
                _ => Step::Install,
            });
            Next::Call
        }
        Reply::Failed(failure) if failure.outcome == Outcome::NotApplied => {
            op.failure = Some(failure.reason);
            Next::Close(End::Nothing)
        }
        other => {
            op.failure = Some(format!(
                "a canister may have been created whose id is not known: {other:?}"
            ));
            Next::Close(End::Quarantined)
        }
    }
}

/// `update_settings` or `deposit_cycles` came back.
pub(crate) fn prepared(op: &mut Operation, reply: Reply) -> Next {
    match reply {
        Reply::Failed(failure) if failure.outcome == Outcome::Unknown => install::verify(op),
        Reply::Failed(failure) if failure.passing => install::try_again(op, failure.reason),
        Reply::Failed(failure) => rollback::begin(op, failure.reason),
        _ => {
            let next = if op.step == Step::Configure {
                after_configure(op)
            } else {
                Step::Install
            };
            op.go(next);
            Next::Call
        }
    }
}
