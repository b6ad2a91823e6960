//! The machine: what an operation does next, given what came back.
//!
//! Plain functions of an operation and a reply; `driver` performs what they decide. Going forward, an operation
//! allocates a canister (`allocation`) and installs a member (`install`). Going back, or when clearing is the
//! purpose, it empties or deletes the canister (`rollback`). After a trap or an upgrade, `recovery` says where to
//! take up the thread.

use crate::{
    allocation, install,
    journal::{End, Operation, Step},
    platform::Reply,
    rollback,
};

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The call of the operation's step, now.
    Call,
    /// The same, after this many nanoseconds.
    Later(u64),
    /// Nothing: it ended.
    Close(End),
}

/// Moves an operation on. `pool_has_room`: whether the pool can take one more canister.
pub(crate) fn advance(op: &mut Operation, reply: Reply, pool_has_room: bool) -> Next {
    match op.step {
        Step::Create => allocation::created(op, reply),
        Step::Configure | Step::Fund => allocation::prepared(op, reply),
        Step::Install => install::installed(op, reply),
        Step::Verify => install::verified(op, reply),
        Step::Sync => install::synced(op, reply),
        Step::Inspect => rollback::inspected(op, reply, pool_has_room),
        Step::Uninstall
        | Step::Start
        | Step::Reset
        | Step::DropSnapshots
        | Step::LoadDrain
        | Step::Drain
        | Step::Stop
        | Step::Delete => rollback::cleared(op, reply),
    }
}

/// Tries of one step before it is given up.
pub(crate) const MAX_ATTEMPTS: u32 = 6;

const SECOND: u64 = 1_000_000_000;

/// How long to wait before the next try: 1, 2, 4, .. seconds, a minute at most.
pub(crate) fn backoff(attempts: u32) -> u64 {
    SECOND * (1 << attempts.min(6)).min(60)
}
