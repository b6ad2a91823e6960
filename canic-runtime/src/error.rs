//! Every way in which a request can be refused or fail, as data.
//!
//! A variant says what was refused and against which limit, or what became of the work already done. Whether asking
//! again is safe and may help is told by `retry()`.

use candid::{CandidType, Principal};
use serde::Deserialize;
use std::fmt;

/// The caller may not do this.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Denied {
    /// Who asked.
    pub caller: Principal,
    /// Who may.
    pub allowed: String,
}

/// What became of the canister of an operation that failed.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum RolledBack {
    /// None was allocated: there was nothing to undo.
    Nothing,
    /// It was emptied and is in the pool.
    Recycled,
    /// It was drained and deleted.
    Deleted,
    /// It was left as it was: it had existed before.
    Untouched,
}

/// Why there is no member.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum ProvisionError {
    /// The caller may not ask for this.
    Denied(Denied),
    /// The fleet has no such role.
    UnknownRole {
        /// What was asked for.
        role: String,
        /// The roles there are, where the set is closed.
        known: Vec<String>,
    },
    /// The role has no approved module.
    NoModule {
        /// The role.
        role: String,
    },
    /// A member of this kind can't be below that parent.
    ParentNotAllowed {
        /// The parent.
        parent: Principal,
        /// Its role; none if it is no member.
        parent_role: Option<String>,
        /// Which roles may be parents.
        allowed: Vec<String>,
    },
    /// The role is full, members being provisioned included.
    RoleFull {
        /// The role.
        role: String,
        /// Its limit.
        max: u32,
    },
    /// The parent has as many members of the role below it as it may have, those being provisioned included.
    ParentFull {
        /// The parent.
        parent: Principal,
        /// The role.
        role: String,
        /// Its limit below one parent.
        max: u32,
    },
    /// The key is empty or too long.
    InvalidKey {
        /// Its length in bytes.
        length: u32,
        /// The limit in bytes.
        max: u32,
    },
    /// The argument is too long.
    ArgumentTooLarge {
        /// Its length in bytes.
        length: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// The argument is not Candid.
    InvalidArgument {
        /// Why not.
        reason: String,
    },
    /// Root can't pay for it without going below its reserve.
    InsufficientCycles {
        /// What it takes, in cycles.
        needed: u128,
        /// What is to spare, in cycles.
        available: u128,
    },
    /// Too much is under way.
    Busy {
        /// Operations under way.
        open: u32,
        /// Ask again after this many seconds.
        retry_after: u64,
    },
    /// An operation for the same key, or this one, is under way.
    Pending {
        /// The operation: `canic_operation` tells how it ends.
        operation: u64,
    },
    /// The platform refused to create a canister. Nothing was paid.
    CreateFailed {
        /// The operation.
        operation: u64,
        /// The platform's reason.
        reason: String,
    },
    /// The member's code was not installed: its `init` refused or trapped, or the platform refused the module.
    InstallFailed {
        /// The operation.
        operation: u64,
        /// The reason.
        reason: String,
        /// What became of the canister.
        rolled_back: RolledBack,
    },
    /// It failed, and could not be undone; the canister is kept on record and can be retired by hand.
    Quarantined {
        /// The operation.
        operation: u64,
        /// The canister, if it is known.
        canister: Option<Principal>,
        /// The reason.
        reason: String,
    },
    /// Root did not answer (asked from a member).
    RootUnreachable {
        /// The reason.
        reason: String,
    },
}

impl ProvisionError {
    /// Whether asking again with the same key is safe and may succeed without anything else changing first.
    #[must_use]
    pub fn retry(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::Pending { .. }
                | Self::CreateFailed { .. }
                | Self::RootUnreachable { .. }
        )
    }
}

/// Why a batch was not accepted. Nothing of it was begun.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum BatchError {
    /// The caller may not ask for this.
    Denied(Denied),
    /// More requests than one batch may hold.
    TooMany {
        /// How many there were.
        requests: u32,
        /// The limit.
        max: u32,
    },
}

/// Why a member was not retired.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum RetireError {
    /// The caller may not ask for this.
    Denied(Denied),
    /// It is neither a member nor in quarantine.
    NotAMember {
        /// What was asked for.
        canister: Principal,
    },
    /// It has children; retire them first, or the whole subtree.
    HasChildren {
        /// One of them.
        child: Principal,
    },
    /// Too much is under way.
    Busy {
        /// Operations under way.
        open: u32,
        /// Ask again after this many seconds.
        retry_after: u64,
    },
    /// Another operation is at work on it.
    Pending {
        /// The operation.
        operation: u64,
    },
    /// It could be neither emptied nor deleted; it is kept on record, and retiring it again tries again.
    Quarantined {
        /// The operation.
        operation: u64,
        /// The reason.
        reason: String,
    },
    /// Root did not answer (asked from a member).
    RootUnreachable {
        /// The reason.
        reason: String,
    },
}

/// Why a canister was not imported.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum ImportError {
    /// The caller may not ask for this.
    Denied(Denied),
    /// It belongs to the fleet already.
    AlreadyKnown {
        /// The canister.
        canister: Principal,
    },
    /// Too much is under way.
    Busy {
        /// Operations under way.
        open: u32,
        /// Ask again after this many seconds.
        retry_after: u64,
    },
    /// The pool is full.
    PoolFull {
        /// Its limit.
        max: u32,
    },
    /// As a member it would break a limit of its role.
    Refused(ProvisionError),
    /// Root can't see or change it: it must be one of its controllers.
    NotControlled {
        /// The operation.
        operation: u64,
        /// The platform's reason.
        reason: String,
    },
    /// It runs something else than the module that is approved for the role.
    WrongModule {
        /// The operation.
        operation: u64,
        /// The reason.
        reason: String,
    },
    /// An operation is at work on it, or goes on in the background.
    Pending {
        /// The operation.
        operation: u64,
    },
    /// It could not be emptied; it is kept on record.
    Quarantined {
        /// The operation.
        operation: u64,
        /// The reason.
        reason: String,
    },
}

/// Why a member was not put below another parent. It is where it was.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum MoveError {
    /// The caller may not do this.
    Denied(Denied),
    /// It is no member.
    NotAMember {
        /// What was asked for.
        canister: Principal,
    },
    /// It would break a limit of its role.
    Refused(ProvisionError),
    /// The new parent is the member itself, or below it.
    BelowItself {
        /// The new parent.
        parent: Principal,
    },
    /// Too much is under way.
    Busy {
        /// Operations under way.
        open: u32,
        /// Ask again after this many seconds.
        retry_after: u64,
    },
    /// An operation is at work on it, or another member is being moved. If it is the move itself, it goes on.
    Pending {
        /// The operation.
        operation: u64,
    },
    /// Its controllers could not be changed.
    Failed {
        /// The operation.
        operation: u64,
        /// The platform's reason.
        reason: String,
    },
    /// Root did not answer (asked from a member).
    RootUnreachable {
        /// The reason.
        reason: String,
    },
}

/// Why a module was not staged or approved.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum ModuleError {
    /// The caller may not do this.
    Denied(Denied),
    /// A piece must have between one byte and the limit.
    ChunkSize {
        /// Its length in bytes.
        length: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// Root holds as many pieces as its chunk store can take.
    StoreFull {
        /// The limit.
        max: u32,
    },
    /// The fleet has no such role, or the name is malformed.
    UnknownRole {
        /// What was asked for.
        role: String,
        /// The roles there are, where the set is closed.
        known: Vec<String>,
    },
    /// A hash must have 32 bytes.
    InvalidHash {
        /// Its length in bytes.
        length: u64,
    },
    /// A piece that the module is made of was not staged.
    MissingChunk {
        /// Its SHA-256.
        #[serde(with = "serde_bytes")]
        hash: Vec<u8>,
    },
    /// The pieces make something else than what was to be approved: truncated, or in the wrong order.
    HashMismatch {
        /// What was to be approved.
        #[serde(with = "serde_bytes")]
        expected: Vec<u8>,
        /// What the pieces make.
        #[serde(with = "serde_bytes")]
        actual: Vec<u8>,
    },
    /// The pieces make something that is neither Wasm nor gzipped Wasm.
    NotWasm,
    /// The platform refused to store a piece. Staging it again is safe.
    UploadFailed {
        /// The platform's reason.
        reason: String,
    },
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} may not do this: allowed are {}",
            self.caller, self.allowed
        )
    }
}

/// The messages are for people; programs look at the variant.
macro_rules! display_as_debug {
    ($($error:ty),*) => {$(
        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self:?}")
            }
        }
        impl std::error::Error for $error {}
    )*};
}
display_as_debug!(
    ProvisionError,
    BatchError,
    RetireError,
    ImportError,
    MoveError,
    ModuleError
);
impl std::error::Error for Denied {}
