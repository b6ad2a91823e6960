//! The Candid types of the `canic_*` endpoints of root and members.
//!
//! Lists are paged. A request names the row after which the page begins (`after`) and the number of
//! rows (`limit`, at most [`MAX_PAGE`]). A page names the `after` of the next one, or none if it is
//! the last.

mod funding;
mod refuel;
mod rollouts;
mod status;

pub use candid::Principal;
use serde::Deserialize;

pub use funding::*;
pub use refuel::*;
pub use rollouts::*;
pub use status::*;

pub use crate::error::{
    BatchError, Denied, ImportError, LookupError, ModuleError, MoveError, ProvisionError,
    RetireError, RolledBack,
};
use crate::tables::{CandidType, Read};

/// The id of an operation. Root never uses it again.
pub type OperationId = u64;

/// The largest page, in rows.
pub const MAX_PAGE: u32 = 1_000;

/// The largest install argument of a member, in bytes: 1 MiB.
pub const MAX_ARGUMENT: usize = 1024 * 1024;

/// The longest key, in bytes. A principal's text has 63 at most.
pub const MAX_KEY: usize = 128;

/// The longest name of a role, in bytes.
pub const MAX_ROLE: usize = 40;

/// The largest staged chunk, in bytes: 1 MiB, the platform's limit for `upload_chunk`.
pub const MAX_CHUNK: usize = 1024 * 1024;

/// The largest number of chunks in root's chunk store: the platform's limit.
pub const MAX_CHUNKS: usize = 100;

/// For how long a member caches an announcement or an answer of root, in nanoseconds: five minutes.
pub(crate) const LEASE: u64 = 300_000_000_000;

/// A request for a member.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct ProvisionRequest {
    /// The role.
    pub role: String,
    /// The caller's name for the member within the role. The same role and key always refer to the
    /// same member.
    pub key: Option<String>,
    /// The parent, which only controllers of root may name: root if none. A member that asks is
    /// itself the parent.
    pub parent: Option<Principal>,
    /// The argument of the member's `init`, encoded as Candid. Empty: no argument.
    #[serde(with = "serde_bytes")]
    pub arg: Vec<u8>,
}

/// The origin of a member's canister.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum Source {
    /// Root took the canister from the pool.
    Pool,
    /// Root created the canister for the member.
    Fresh,
    /// The canister was imported.
    Imported,
    /// The key had a member already.
    Existing,
}

/// The answer to a [`ProvisionRequest`].
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct Provisioned {
    /// The member.
    pub canister: Principal,
    /// The origin of its canister.
    pub source: Source,
    /// The operation that provisioned it.
    pub operation: OperationId,
}

/// What root does with the canister of a retired member.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum Retirement {
    /// Root empties it and adds it to the pool.
    Recycle,
    /// Root drains its cycles and deletes it. A canister that root can't drain is quarantined.
    Delete,
    /// Root deletes it, whatever it still holds after three attempts to drain it. Only controllers
    /// of root may ask for that.
    Destroy,
}

/// A request to retire a member, or to try the teardown of a quarantined canister again.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct RetireRequest {
    /// The member, or the quarantined canister.
    pub canister: Principal,
    /// What root does with the canister.
    pub how: Retirement,
    /// Whether root retires all members below it first. Otherwise root rejects a member with
    /// children.
    pub subtree: Option<bool>,
}

/// The answer to a [`RetireRequest`].
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct Retired {
    /// The operation that retired it.
    pub operation: OperationId,
    /// What root did with the canister. If the pool is full, root deletes instead of recycling.
    pub how: Retirement,
}

/// The purpose of an imported canister.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum ImportAs {
    /// A canister of the pool. Root wipes its code and data and keeps its cycles.
    Pool,
    /// A member that keeps its code and data.
    Member {
        /// The role.
        role: String,
        /// The key, if it has one.
        key: Option<String>,
        /// The parent: root if none.
        parent: Option<Principal>,
    },
}

/// A request to import a canister that root controls.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct ImportRequest {
    /// The canister. Root must be one of its controllers.
    pub canister: Principal,
    /// The canister's purpose.
    pub import_as: ImportAs,
}

/// The answer to an [`ImportRequest`].
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Imported {
    /// The operation that imported it.
    pub operation: OperationId,
}

/// A request to stage a chunk of a module.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct StageRequest {
    /// The bytes: at most 1 MiB (`MAX_CHUNK`).
    #[serde(with = "serde_bytes")]
    pub chunk: Vec<u8>,
}

/// The answer to a [`StageRequest`].
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct StagedChunk {
    /// The chunk's SHA-256.
    #[serde(with = "serde_bytes")]
    pub hash: Vec<u8>,
    /// Chunks that root holds now.
    pub chunks: u32,
}

/// A request to approve a staged module for a role.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct ApproveRequest {
    /// The role.
    pub role: String,
    /// The SHA-256 of the whole module.
    #[serde(with = "serde_bytes")]
    pub hash: Vec<u8>,
    /// The SHA-256 of its chunks, in order.
    pub chunks: Vec<serde_bytes::ByteBuf>,
    /// Whether a controller begins the rollout. Otherwise root begins it at once, if the role has
    /// members. None: as the role's `rollout(..)` says.
    pub manual: Option<bool>,
}

/// A module that is approved for a role.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct ModuleInfo {
    /// The role.
    pub role: String,
    /// The SHA-256 of the module.
    #[serde(with = "serde_bytes")]
    pub hash: Vec<u8>,
    /// Its size, in bytes.
    pub size: u64,
    /// The number of its chunks.
    pub chunks: u32,
    /// Whether all chunks are in root's chunk store, from which root installs members.
    pub uploaded: bool,
    /// Whether root's builds embed it for the role, or embedded it last. Otherwise it was staged.
    pub embedded: bool,
}

/// The state of a member.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum MemberState {
    /// Root installs its code.
    Installing,
    /// It is installed.
    Active,
    /// Root retires it.
    Retiring,
    /// Root moves it to another parent.
    Moving,
    /// Root upgrades it to another release.
    Upgrading,
}

/// A member's answer about the code that it runs.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum Health {
    /// Its `start` hook has ended well, and its `health` hook says yes.
    Healthy,
    /// Its `start` hook has not ended well yet; the text says why, if it has failed.
    Starting(String),
    /// Its `health` hook says no, for this reason.
    Unhealthy(String),
}

/// A member.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct MemberInfo {
    /// The member.
    pub canister: Principal,
    /// Its role.
    pub role: String,
    /// Its parent.
    pub parent: Principal,
    /// Its key, if it has one.
    pub key: Option<String>,
    /// Its state.
    pub state: MemberState,
    /// The number of its release. 0: root has none with its module on record.
    pub release: u32,
    /// The SHA-256 of its module. Empty: root does not know it.
    #[serde(with = "serde_bytes")]
    pub module: Vec<u8>,
    /// When root registered it, in nanoseconds since 1970.
    pub since: u64,
    /// The last operation that worked on it.
    pub operation: OperationId,
}

/// A choice of members.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum MembersFilter {
    /// All members.
    All,
    /// The members of a role.
    Role(String),
    /// The children of a parent.
    Parent(Principal),
}

/// A request for a page of members.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct MembersRequest {
    /// The members to list.
    pub filter: MembersFilter,
    /// The page begins after this member.
    pub after: Option<Principal>,
    /// The number of rows.
    pub limit: u32,
}

/// A page of members.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct MembersPage {
    /// The rows, in the order of their canister ids.
    pub members: Vec<MemberInfo>,
    /// The `after` of the next page.
    pub next: Option<Principal>,
    /// The number of members that the filter matches, those being provisioned included.
    pub total: u64,
}

/// A request for one member.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum MemberRequest {
    /// The member in this canister.
    Canister(Principal),
    /// The member with this role and key.
    Key {
        /// The role.
        role: String,
        /// The key.
        key: String,
    },
}

/// A request for a page of a list whose rows are numbered.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct PageRequest {
    /// The page begins after this row.
    pub after: Option<u64>,
    /// The number of rows.
    pub limit: u32,
}

/// A page of approved modules.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct ModulesPage {
    /// The rows, one for each role.
    pub modules: Vec<ModuleInfo>,
    /// The `after` of the next page.
    pub next: Option<u64>,
}

/// A canister of the pool.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct PoolEntry {
    /// The canister.
    pub canister: Principal,
    /// Its balance when root added it to the pool, in cycles.
    pub cycles: u128,
    /// The operation that has claimed it. None: it is ready.
    pub claimed_by: Option<OperationId>,
    /// When root added it to the pool, in nanoseconds since 1970.
    pub since: u64,
    /// Provisions that the platform refused on this canister, before any code ran there. A second
    /// one sends it to quarantine.
    pub refusals: u32,
    /// The platform's reason for the first of them.
    pub refused: Option<String>,
}

/// A page of the pool.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct PoolPage {
    /// The rows, oldest first.
    pub entries: Vec<PoolEntry>,
    /// The `after` of the next page.
    pub next: Option<u64>,
    /// The number of ready canisters in the pool.
    pub ready: u64,
    /// The number of canisters in the pool that an operation has claimed.
    pub claimed: u64,
}

/// The purpose of an operation.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub enum OperationKind {
    /// Provision a member.
    Provision,
    /// Add an empty canister to the pool.
    Refill,
    /// Retire a member.
    Retire,
    /// Import an existing canister into the pool.
    ImportToPool,
    /// Import an existing canister as a member.
    Adopt,
    /// Move a member to another parent.
    Move,
    /// Upgrade a member to another release.
    Upgrade,
    /// Give cycles to a member, or to a canister of the pool.
    Grant,
    /// Get cycles for root itself.
    Refuel,
}

/// The state of an operation.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum OperationState {
    /// It is under way; the text names its step.
    Open(String),
    /// It succeeded.
    Done,
    /// It failed, and root undid it.
    RolledBack(RolledBack),
    /// Root can neither finish nor undo the upgrade of a member, or a refuel that it has paid for;
    /// the text says why. The member stays a member.
    Abandoned(String),
    /// Root can neither finish nor undo it; the text says why. Root keeps its canister, if it has
    /// one, on record.
    Quarantined(String),
}

/// An operation.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct OperationInfo {
    /// Its id.
    pub id: OperationId,
    /// Its purpose.
    pub kind: OperationKind,
    /// Its state.
    pub state: OperationState,
    /// The role of its member, if it works on one.
    pub role: Option<String>,
    /// The key of its member, if it works on one that has a key.
    pub key: Option<String>,
    /// The parent of its member, if it works on one; of a move the new parent.
    pub parent: Option<Principal>,
    /// The release that its member gets by it, if it gets one.
    pub release: Option<u32>,
    /// Its canister, as soon as root knows the id.
    pub canister: Option<Principal>,
    /// The origin of its canister.
    pub source: Option<Source>,
    /// The reason of its failure, if it failed.
    pub failure: Option<String>,
    /// Tries of its present step.
    pub attempts: u32,
    /// Calls made so far.
    pub calls: u32,
    /// Cycles sent with its calls, fees included.
    pub paid: u128,
    /// When root accepted it, in nanoseconds since 1970.
    pub accepted: u64,
    /// When its record last changed, in nanoseconds since 1970.
    pub updated: u64,
}

/// A choice of operations.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum OperationsFilter {
    /// Operations under way.
    Open,
    /// Operations in quarantine.
    Quarantined,
    /// Operations that have ended.
    Closed,
}

/// A request for a page of operations.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct OperationsRequest {
    /// The operations to list.
    pub filter: OperationsFilter,
    /// The page begins after this operation.
    pub after: Option<OperationId>,
    /// The number of rows.
    pub limit: u32,
}

/// A page of operations.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct OperationsPage {
    /// The rows, oldest first.
    pub operations: Vec<OperationInfo>,
    /// The `after` of the next page.
    pub next: Option<OperationId>,
}

/// Numbers of operations, of a batch for example, by state.
#[derive(Clone, Copy, Debug, Default, CandidType, Deserialize, PartialEq, Eq)]
pub struct Progress {
    /// Operations in the queue.
    pub queued: u32,
    /// Operations under way.
    pub running: u32,
    /// Operations that succeeded.
    pub done: u32,
    /// Operations that failed and that root undid.
    pub rolled_back: u32,
    /// Operations that root can neither finish nor undo.
    pub quarantined: u32,
    /// Operations that root does not know, or no longer.
    pub unknown: u32,
}

/// A request to delete the records of ended operations, of which root otherwise keeps the last
/// 10,000.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct PruneRequest {
    /// Root deletes the records of operations with a lower id, except open and quarantined ones.
    pub before: OperationId,
}

/// The answer to a [`PruneRequest`].
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Pruned {
    /// Records deleted by this call: at most 1,000.
    pub forgotten: u64,
    /// Whether there are more to delete.
    pub more: bool,
}

/// A measured value.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
pub struct Metric {
    /// The name, as in Prometheus.
    pub name: String,
    /// The labels: names and values.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// A page of metrics.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
pub struct MetricsPage {
    /// The rows.
    pub metrics: Vec<Metric>,
    /// The `after` of the next page.
    pub next: Option<u64>,
}

/// A canister's answer about itself.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct IdentityInfo {
    /// The canister.
    pub canister: Principal,
    /// The role that its module was built for.
    pub role: String,
    /// Its identity in a fleet. None while it is unmanaged.
    pub identity: Option<Identity>,
    /// Whether it is on probation: root has upgraded it, and not yet accepted the new code. Its
    /// updates are rejected until then.
    pub probation: bool,
}

/// A member's identity, as root tells it to the member.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct Identity {
    /// The root of the fleet.
    pub root: Principal,
    /// The member's role. A member rejects another role than its module was built for.
    pub role: String,
    /// The member's parent: root or another member.
    pub parent: Principal,
    /// The member's key, if it has one.
    pub key: Option<String>,
}

/// A member, as root describes it to other members.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct MemberRef {
    /// Its role.
    pub role: String,
    /// Its parent: root or another member.
    pub parent: Principal,
    /// Its key, if it has one.
    pub key: Option<String>,
}

/// A change of a member.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct Change {
    /// The number of the change. Later changes have higher numbers.
    pub number: u64,
    /// The member.
    pub canister: Principal,
    /// The member after the change. None: it is no longer a member, or no longer concerns the
    /// subscriber.
    pub now: Option<MemberRef>,
    /// The number of its release, if the subscriber's role watches releases of its role. None also
    /// if root has no release with its module on record.
    pub release: Option<u32>,
}

/// Changes that root sends to a subscriber: of its children, of members whose role its own watches,
/// and of members that it looked up.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct Announcement {
    /// The number of the last change sent before these: 0 if there is none.
    pub after: u64,
    /// The number of the last of these changes.
    pub upto: u64,
    /// The changes, in the order of their numbers.
    pub changes: Vec<Change>,
}

/// A subscriber's request for a page of its children and of the members of roles that its own
/// watches.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct CatchUpRequest {
    /// The page begins after this row.
    pub after: Option<CatchUpCursor>,
}

/// The position of a row among the pages of a subscriber.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct CatchUpCursor {
    /// The row's list: 0 for the children, then one for each watched role.
    pub list: u32,
    /// The row's member.
    pub canister: Principal,
}

/// The answer to a [`CatchUpRequest`].
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct CatchUpPage {
    /// The number of the last change that the rows include. Each row has this number.
    pub upto: u64,
    /// The rows.
    pub changes: Vec<Change>,
    /// The `after` of the next page.
    pub next: Option<CatchUpCursor>,
}

/// A request to move a member, and the members below it, to another parent.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct MoveRequest {
    /// The member.
    pub canister: Principal,
    /// Its new parent: root, or a member whose role can have such children.
    pub parent: Principal,
}

/// The answer to a [`MoveRequest`].
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct Moved {
    /// The operation that moved it.
    pub operation: OperationId,
}

/// An HTTP request, as gateways send it to canisters.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub url: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// The answer to an [`HttpRequest`].
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status_code: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}
