//! The errors of requests, as data.
//!
//! A variant names the limit that a request would break, or the state in which its operation ended.
//! `retry()` tells whether a retry is safe and may succeed.

mod funding;
mod sentences;

use candid::Principal;
use serde::Deserialize;

use crate::tables::{CandidType, Read};

pub use funding::{GrantError, GrantLimit};

/// The caller is not allowed to do this.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct Denied {
    /// The caller.
    pub caller: Principal,
    /// The callers that are allowed, in words.
    pub allowed: String,
}

/// The end of the canister of an operation that failed.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum RolledBack {
    /// The operation had no canister: there was nothing to undo.
    Nothing,
    /// Root emptied the canister and added it to the pool.
    Recycled,
    /// Root drained the canister's cycles and deleted it.
    Deleted,
    /// Root left the canister as it was: it had existed before.
    Untouched,
    /// Root put the member's old release back.
    Reverted,
}

/// The reason why a member was not provisioned.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum ProvisionError {
    /// The caller is not allowed to ask for this.
    Denied(Denied),
    /// The fleet has no such role.
    UnknownRole {
        /// The requested role.
        role: String,
        /// The roles of the fleet. Empty if root accepts any role.
        known: Vec<String>,
    },
    /// The role has no approved module.
    NoModule {
        /// The role.
        role: String,
    },
    /// A member of this role can't have this parent.
    ParentNotAllowed {
        /// The parent.
        parent: Principal,
        /// The parent's role. None if it is not a member.
        parent_role: Option<String>,
        /// The roles that can be its parent.
        allowed: Vec<String>,
    },
    /// The role has its largest number of members, those being provisioned included.
    RoleFull {
        /// The role.
        role: String,
        /// The limit, in members.
        max: u32,
    },
    /// The parent has its largest number of children of the role, those being provisioned included.
    ParentFull {
        /// The parent.
        parent: Principal,
        /// The role.
        role: String,
        /// The limit below one parent, in members.
        max: u32,
    },
    /// The key is empty or too long.
    InvalidKey {
        /// Its length, in bytes.
        length: u32,
        /// The limit, in bytes.
        max: u32,
    },
    /// The argument is too long.
    ArgumentTooLarge {
        /// Its length, in bytes.
        length: u64,
        /// The limit, in bytes.
        max: u64,
    },
    /// The argument is not Candid.
    InvalidArgument {
        /// The decoder's reason.
        reason: String,
    },
    /// Root can't pay for the member without going below its reserve.
    InsufficientCycles {
        /// The cost, in cycles.
        needed: u128,
        /// Cycles that root can spend.
        available: u128,
    },
    /// Root has too many open operations.
    Busy {
        /// Open operations.
        open: u32,
        /// The pause before a retry, in seconds.
        retry_after: u64,
    },
    /// An operation for the same key is open, or this request's own operation still is.
    Pending {
        /// The operation; `canic_operation` tells its outcome.
        operation: u64,
    },
    /// The platform refused to create a canister. Root paid nothing.
    CreateFailed {
        /// The operation.
        operation: u64,
        /// The platform's reason.
        reason: String,
    },
    /// The install failed: the member's `init` refused or trapped, or the platform refused the
    /// module.
    InstallFailed {
        /// The operation.
        operation: u64,
        /// The reason.
        reason: String,
        /// The end of the canister.
        rolled_back: RolledBack,
    },
    /// The operation failed and root could not undo it. Root keeps the canister on record; a
    /// controller can retire it.
    Quarantined {
        /// The operation.
        operation: u64,
        /// The canister, if its id is known.
        canister: Option<Principal>,
        /// The reason.
        reason: String,
    },
    /// Root did not answer a member's call.
    RootUnreachable {
        /// The reason.
        reason: String,
    },
}

impl ProvisionError {
    /// Whether a retry with the same key is safe and may succeed though nobody changes anything
    /// first.
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

/// The reason why a batch was not accepted. Root accepted none of its requests.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum BatchError {
    /// The caller is not allowed to ask for this.
    Denied(Denied),
    /// The batch has too many requests.
    TooMany {
        /// The number of requests.
        requests: u32,
        /// The limit, in requests.
        max: u32,
    },
}

/// The reason why a member was not retired.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum RetireError {
    /// The caller is not allowed to ask for this.
    Denied(Denied),
    /// The canister is neither a member nor in quarantine.
    NotAMember {
        /// The requested canister.
        canister: Principal,
    },
    /// The member has children: retire them first, or the whole subtree.
    HasChildren {
        /// One of the children.
        child: Principal,
    },
    /// Root has too many open operations.
    Busy {
        /// Open operations.
        open: u32,
        /// The pause before a retry, in seconds.
        retry_after: u64,
    },
    /// Another operation works on the member.
    Pending {
        /// The operation.
        operation: u64,
    },
    /// Root could neither empty nor delete the canister. Root keeps it on record; retire it again
    /// for another try.
    Quarantined {
        /// The operation.
        operation: u64,
        /// The reason.
        reason: String,
    },
    /// Root did not answer a member's call.
    RootUnreachable {
        /// The reason.
        reason: String,
    },
}

/// The reason why a canister was not imported.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum ImportError {
    /// The caller is not allowed to ask for this.
    Denied(Denied),
    /// The canister belongs to the fleet already.
    AlreadyKnown {
        /// The canister.
        canister: Principal,
    },
    /// Root has too many open operations.
    Busy {
        /// Open operations.
        open: u32,
        /// The pause before a retry, in seconds.
        retry_after: u64,
    },
    /// The pool is full.
    PoolFull {
        /// The limit, in canisters.
        max: u32,
    },
    /// The member would break a limit of its role.
    Refused(ProvisionError),
    /// Root's subnet does not know the canister: it is on another subnet, or does not exist. Root
    /// installs code from its own subnet only.
    NotOnSubnet {
        /// The operation.
        operation: u64,
        /// Root's subnet.
        subnet: Principal,
        /// The platform's reason.
        reason: String,
    },
    /// Root is not a controller of the canister.
    NotControlled {
        /// The operation.
        operation: u64,
        /// The platform's reason.
        reason: String,
    },
    /// The canister runs another module than the one approved for the role.
    WrongModule {
        /// The operation.
        operation: u64,
        /// The reason.
        reason: String,
    },
    /// An operation works on the canister; it may be the import itself, in the background.
    Pending {
        /// The operation.
        operation: u64,
    },
    /// Root could not empty the canister. Root keeps it on record.
    Quarantined {
        /// The operation.
        operation: u64,
        /// The reason.
        reason: String,
    },
}

/// The reason why a member was not moved to another parent. It keeps its parent.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum MoveError {
    /// The caller is not allowed to ask for this.
    Denied(Denied),
    /// The canister is not a member.
    NotAMember {
        /// The requested canister.
        canister: Principal,
    },
    /// The move would break a limit of the member's role.
    Refused(ProvisionError),
    /// The new parent is the member itself or below it.
    BelowItself {
        /// The new parent.
        parent: Principal,
    },
    /// Root has too many open operations.
    Busy {
        /// Open operations.
        open: u32,
        /// The pause before a retry, in seconds.
        retry_after: u64,
    },
    /// An operation works on the member, or another member is being moved. If it is this move's own
    /// operation, the move goes on.
    Pending {
        /// The operation.
        operation: u64,
    },
    /// Root could not change the member's controllers.
    Failed {
        /// The operation.
        operation: u64,
        /// The platform's reason.
        reason: String,
    },
    /// Root did not answer a member's call.
    RootUnreachable {
        /// The reason.
        reason: String,
    },
}

/// The reason why a canister could not be looked up.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum LookupError {
    /// This canister is unmanaged: it has no root to ask.
    NoRoot,
    /// Root did not answer this member's call.
    RootUnreachable {
        /// The reason.
        reason: String,
    },
    /// Root does not list this canister as a member.
    Denied(Denied),
}

impl LookupError {
    /// Whether a retry may succeed though nobody changes anything first.
    #[must_use]
    pub fn retry(&self) -> bool {
        matches!(self, Self::RootUnreachable { .. })
    }
}

/// The reason why a module was not staged or approved.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum ModuleError {
    /// The caller is not allowed to ask for this.
    Denied(Denied),
    /// The chunk is empty or too long.
    ChunkSize {
        /// Its length, in bytes.
        length: u64,
        /// The limit, in bytes.
        max: u64,
    },
    /// Root's chunk store is full.
    StoreFull {
        /// The limit, in chunks.
        max: u32,
    },
    /// The fleet has no such role, or the name is malformed.
    UnknownRole {
        /// The requested role.
        role: String,
        /// The roles of the fleet. Empty if root accepts any role.
        known: Vec<String>,
    },
    /// A hash does not have 32 bytes.
    InvalidHash {
        /// Its length, in bytes.
        length: u64,
    },
    /// A chunk of the module was not staged.
    MissingChunk {
        /// The chunk's SHA-256.
        #[serde(with = "serde_bytes")]
        hash: Vec<u8>,
    },
    /// The chunks make another module than the approved one: they are truncated, or in another
    /// order.
    HashMismatch {
        /// The SHA-256 of the approved module.
        #[serde(with = "serde_bytes")]
        expected: Vec<u8>,
        /// The SHA-256 of the module that the chunks make.
        #[serde(with = "serde_bytes")]
        actual: Vec<u8>,
    },
    /// The chunks make neither Wasm nor gzipped Wasm.
    NotWasm,
    /// The platform refused to store a chunk. A retry is safe.
    UploadFailed {
        /// The platform's reason.
        reason: String,
    },
}

/// The reason why root was not refuelled.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum RefuelError {
    /// The caller is not allowed to ask for this.
    Denied(Denied),
    /// The request names no amount, and root's attribute has no `refuel(..)`.
    NoAmount,
    /// Root has as many cycles as it is to have.
    Enough {
        /// Cycles that root can spend.
        balance: u128,
        /// Cycles that it is to have.
        to: u128,
    },
    /// The amount is not worth the fees.
    TooLittle {
        /// The amount in cycles.
        cycles: u128,
        /// The smallest amount in cycles.
        min: u128,
    },
    /// A refuel is under way.
    Pending {
        /// The operation that runs.
        operation: u64,
    },
    /// Nothing was paid, or what was paid came back. A retry is safe.
    Failed {
        /// The operation.
        operation: u64,
        /// The reason.
        reason: String,
    },
    /// A payment was made, and root can't get the cycles for it by itself. The reason says what an
    /// operator can do.
    Abandoned {
        /// The operation.
        operation: u64,
        /// The reason.
        reason: String,
    },
}

/// The reason why a rollout was not begun, or not controlled.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum RolloutError {
    /// The caller is not allowed to ask for this.
    Denied(Denied),
    /// The fleet has no such role.
    UnknownRole {
        /// The requested role.
        role: String,
    },
    /// The role has no such release, or root has forgotten it. None: it has no candidate.
    UnknownRelease {
        /// The requested release.
        release: Option<u32>,
        /// The releases that root has.
        known: Vec<u32>,
    },
    /// The release is the role's current one already, and no member was left behind.
    AlreadyCurrent {
        /// The release.
        release: u32,
    },
    /// The plan contradicts itself.
    InvalidPlan {
        /// The contradiction.
        reason: String,
    },
    /// A canary is no member of the role.
    NotAMember {
        /// The canister.
        canister: Principal,
    },
    /// A rollout of the role is under way. Abort or undo it first, or approve a newer release.
    Active {
        /// The rollout.
        rollout: u32,
    },
    /// Root has no such rollout.
    UnknownRollout {
        /// The requested rollout.
        rollout: u32,
    },
    /// The rollout is in a phase in which this is not possible.
    WrongPhase {
        /// The phase, in words.
        phase: String,
    },
}
