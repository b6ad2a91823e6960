//! What root and members serve: the Candid types of every `canic_*` endpoint.
//!
//! Lists are paged: a request names where to go on (`after`) and how many rows it wants (`limit`, at most
//! [`MAX_PAGE`]); a page names where the next one starts, or nothing when it was the last.

use candid::CandidType;
pub use candid::Principal;
use serde::Deserialize;

pub use crate::error::{
    BatchError, Denied, ImportError, ModuleError, MoveError, ProvisionError, RetireError,
    RolledBack,
};

/// Names one operation, for ever.
pub type OperationId = u64;

/// Rows of a page at most.
pub const MAX_PAGE: u32 = 1_000;

/// Bytes of a member's install argument at most: 1 MiB.
pub const MAX_ARGUMENT: usize = 1024 * 1024;

/// Bytes of a key at most. A principal's text has 63.
pub const MAX_KEY: usize = 128;

/// Bytes of a role's name at most.
pub const MAX_ROLE: usize = 40;

/// Bytes of a staged chunk at most: 1 MiB, the platform's limit for `upload_chunk`.
pub const MAX_CHUNK: usize = 1024 * 1024;

/// Chunks in root's chunk store at most, the platform's limit.
pub const MAX_CHUNKS: usize = 100;

/// For how long a member may rely on what it was told without asking root again, in nanoseconds: five minutes.
pub(crate) const LEASE: u64 = 300_000_000_000;

/// Asks for a member.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct ProvisionRequest {
    /// The role.
    pub role: String,
    /// The caller's own name for the member within the role. The same role and key always mean the same member.
    pub key: Option<String>,
    /// Under which parent. Controllers of root may name one; a member that asks is the parent itself.
    pub parent: Option<Principal>,
    /// The install argument of the role, Candid-encoded. Empty means no argument.
    #[serde(with = "serde_bytes")]
    pub arg: Vec<u8>,
}

/// Where a member's canister came from.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum Source {
    /// From the pool.
    Pool,
    /// Created for it.
    Fresh,
    /// It existed before and was imported.
    Imported,
    /// It was there already: the key had a member.
    Existing,
}

/// A member that is there.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Provisioned {
    /// The member.
    pub canister: Principal,
    /// Where its canister came from.
    pub source: Source,
    /// The operation that made it.
    pub operation: OperationId,
}

/// What becomes of a retired member's canister.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum Retirement {
    /// Emptied, and into the pool.
    Recycle,
    /// Drained to root, and deleted.
    Delete,
}

/// Ends a member, or tries again to clear a quarantined canister.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct RetireRequest {
    /// The member, or the quarantined canister.
    pub canister: Principal,
    /// What becomes of the canister.
    pub how: Retirement,
    /// Whether its children, and theirs, go with it, before it. Else a member that has children is not retired.
    pub subtree: Option<bool>,
}

/// A member that is no more.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Retired {
    /// The operation that retired it.
    pub operation: OperationId,
    /// What became of the canister: a full pool turns recycling into deletion.
    pub how: Retirement,
}

/// What an imported canister becomes.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum ImportAs {
    /// An empty canister of the pool. What it holds, cycles excepted, is wiped.
    Pool,
    /// A member as it stands, with its code and data.
    Member {
        /// The role.
        role: String,
        /// The key, if it has one.
        key: Option<String>,
        /// The parent; root if none is named.
        parent: Option<Principal>,
    },
}

/// Brings a canister that root controls into the fleet.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct ImportRequest {
    /// The canister. Root must be one of its controllers.
    pub canister: Principal,
    /// What it becomes.
    pub import_as: ImportAs,
}

/// A canister that now belongs to the fleet.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Imported {
    /// The operation that imported it.
    pub operation: OperationId,
}

/// A piece of a module.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct StageRequest {
    /// At most 1 MiB: `MAX_CHUNK`.
    #[serde(with = "serde_bytes")]
    pub chunk: Vec<u8>,
}

/// A staged piece.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct StagedChunk {
    /// Its SHA-256.
    #[serde(with = "serde_bytes")]
    pub hash: Vec<u8>,
    /// How many pieces root holds now.
    pub chunks: u32,
}

/// Approves a staged module for a role.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct ApproveRequest {
    /// The role.
    pub role: String,
    /// The SHA-256 of the whole module.
    #[serde(with = "serde_bytes")]
    pub hash: Vec<u8>,
    /// The SHA-256 of its pieces, in order.
    pub chunks: Vec<serde_bytes::ByteBuf>,
}

/// A module that is approved for a role.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct ModuleInfo {
    /// The role.
    pub role: String,
    /// The SHA-256 of the module.
    #[serde(with = "serde_bytes")]
    pub hash: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
    /// In how many pieces it is kept.
    pub chunks: u32,
    /// Whether all pieces are in root's chunk store, from which members are installed.
    pub uploaded: bool,
    /// Whether it was embedded in root, or staged.
    pub embedded: bool,
}

/// What a member is doing.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum MemberState {
    /// Its code is being installed.
    Installing,
    /// It lives.
    Active,
    /// It is being retired.
    Retiring,
    /// It is being put below another parent.
    Moving,
}

/// A member.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct MemberInfo {
    /// The member.
    pub canister: Principal,
    /// Its role.
    pub role: String,
    /// Its parent.
    pub parent: Principal,
    /// Its key, if it has one.
    pub key: Option<String>,
    /// What it is doing.
    pub state: MemberState,
    /// The SHA-256 of its module.
    #[serde(with = "serde_bytes")]
    pub module: Vec<u8>,
    /// Since when it is registered: nanoseconds since the epoch.
    pub since: u64,
    /// The operation that last concerned it.
    pub operation: OperationId,
}

/// Which members to list.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum MembersFilter {
    /// All of them.
    All,
    /// Those of a role.
    Role(String),
    /// Those below a parent.
    Parent(Principal),
}

/// Lists members.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct MembersRequest {
    /// Which.
    pub filter: MembersFilter,
    /// Go on after this member.
    pub after: Option<Principal>,
    /// How many rows.
    pub limit: u32,
}

/// Some members.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct MembersPage {
    /// The rows, by canister.
    pub members: Vec<MemberInfo>,
    /// Where the next page goes on.
    pub next: Option<Principal>,
    /// How many the filter names in all, those being provisioned included.
    pub total: u64,
}

/// Finds one member.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum MemberRequest {
    /// By its canister.
    Canister(Principal),
    /// By its role and key.
    Key {
        /// The role.
        role: String,
        /// The key.
        key: String,
    },
}

/// Asks for a page of a list whose rows are numbered.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct PageRequest {
    /// Go on after this row.
    pub after: Option<u64>,
    /// How many rows.
    pub limit: u32,
}

/// Approved modules.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct ModulesPage {
    /// One row a role.
    pub modules: Vec<ModuleInfo>,
    /// Where the next page goes on.
    pub next: Option<u64>,
}

/// A canister of the pool.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct PoolEntry {
    /// The canister.
    pub canister: Principal,
    /// Its cycles when it came into the pool.
    pub cycles: u128,
    /// The operation that has claimed it; none if it is ready.
    pub claimed_by: Option<OperationId>,
    /// Since when it is in the pool: nanoseconds since the epoch.
    pub since: u64,
}

/// Canisters of the pool.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct PoolPage {
    /// The rows, in the order in which they came.
    pub entries: Vec<PoolEntry>,
    /// Where the next page goes on.
    pub next: Option<u64>,
    /// How many are ready.
    pub ready: u64,
    /// How many are claimed by an operation.
    pub claimed: u64,
}

/// What an operation is for.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub enum OperationKind {
    /// Makes a member.
    Provision,
    /// Adds an empty canister to the pool.
    Refill,
    /// Ends a member.
    Retire,
    /// Brings an existing canister into the pool.
    ImportToPool,
    /// Makes an existing canister a member.
    Adopt,
    /// Puts a member below another parent.
    Move,
}

/// How far an operation is.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum OperationState {
    /// Under way; the text names the step.
    Open(String),
    /// It did what it was for.
    Done,
    /// It failed, and nothing of it is left.
    RolledBack(RolledBack),
    /// It can be neither finished nor undone; the text says why. Its canister, if it has one, is kept on record.
    Quarantined(String),
}

/// An operation.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct OperationInfo {
    /// Its id.
    pub id: OperationId,
    /// What it is for.
    pub kind: OperationKind,
    /// How far it is.
    pub state: OperationState,
    /// The role, where it makes or ends a member.
    pub role: Option<String>,
    /// The key, where it makes or ends a member that has one.
    pub key: Option<String>,
    /// The canister, as soon as it is known.
    pub canister: Option<Principal>,
    /// Where the canister came from.
    pub source: Option<Source>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Tries of the present step.
    pub attempts: u32,
    /// Management calls made so far.
    pub calls: u32,
    /// Cycles sent away with its calls, fees included.
    pub paid: u128,
    /// When it was accepted: nanoseconds since the epoch.
    pub accepted: u64,
    /// When it last moved: nanoseconds since the epoch.
    pub updated: u64,
}

/// Which operations to list.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum OperationsFilter {
    /// Those under way.
    Open,
    /// Those in quarantine.
    Quarantined,
    /// Those that ended.
    Closed,
}

/// Lists operations.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct OperationsRequest {
    /// Which.
    pub filter: OperationsFilter,
    /// Go on after this operation.
    pub after: Option<OperationId>,
    /// How many rows.
    pub limit: u32,
}

/// Some operations.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct OperationsPage {
    /// The rows, oldest first.
    pub operations: Vec<OperationInfo>,
    /// Where the next page goes on.
    pub next: Option<OperationId>,
}

/// How far some operations are: those of a batch, say.
#[derive(Clone, Copy, Debug, Default, CandidType, Deserialize, PartialEq, Eq)]
pub struct Progress {
    /// They wait for their turn.
    pub waiting: u32,
    /// They are under way.
    pub running: u32,
    /// They did what they were for.
    pub done: u32,
    /// They failed, and nothing of them is left.
    pub rolled_back: u32,
    /// They can be neither finished nor undone.
    pub quarantined: u32,
    /// Root does not know them, or no longer.
    pub unknown: u32,
}

/// Forgets operations that are closed: root keeps the last 10,000 otherwise.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct PruneRequest {
    /// Those with a lower number. Open ones and those in quarantine stay, whatever their number.
    pub before: OperationId,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Pruned {
    /// Operations forgotten by this call: 1,000 at most.
    pub forgotten: u64,
    /// Whether there are more to forget.
    pub more: bool,
}

/// One measured value.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
pub struct Metric {
    /// The name, as in Prometheus.
    pub name: String,
    /// The labels.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// Some metrics.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
pub struct MetricsPage {
    /// The rows.
    pub metrics: Vec<Metric>,
    /// Where the next page goes on.
    pub next: Option<u64>,
}

/// Who a member is.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Env {
    /// The canister itself.
    pub canister: Principal,
    /// Its role.
    pub role: String,
    /// Its place in a fleet; none while it is unmanaged.
    pub membership: Option<Membership>,
}

/// A member's place in its fleet.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Membership {
    /// The root of the fleet.
    pub root: Principal,
    /// The parent.
    pub parent: Principal,
    /// The key, if it has one.
    pub key: Option<String>,
}

/// What a member is to its fleet.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct MemberRef {
    /// Its role.
    pub role: String,
    /// Its parent.
    pub parent: Principal,
    /// Its key, if it has one.
    pub key: Option<String>,
}

/// What became of a member.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Change {
    /// Its number: changes that come later have higher ones.
    pub number: u64,
    /// The member.
    pub canister: Principal,
    /// What it is now. None: it is no member, or no concern of the listener's, any more.
    pub now: Option<MemberRef>,
}

/// Changes that a member is told because it is the parent, because its role watches that of the member, or because it
/// asked about it.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Announcement {
    /// The change that the listener was told before these; 0 if there was none.
    pub after: u64,
    /// The last one of these.
    pub upto: u64,
    /// The changes, by number.
    pub changes: Vec<Change>,
}

/// Asks for all that concerns the caller: its children, and the members of the roles that its own watches.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct CatchUpRequest {
    /// Go on after this row.
    pub after: Option<CatchUpCursor>,
}

/// A row of what concerns a member.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct CatchUpCursor {
    /// 0 for the children, then one for each watched role.
    pub list: u32,
    /// The row's member.
    pub canister: Principal,
}

/// Some of what concerns a member.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct CatchUpPage {
    /// The last change that the rows show. Each of them has this number.
    pub upto: u64,
    /// The rows.
    pub changes: Vec<Change>,
    /// Where the next page goes on.
    pub next: Option<CatchUpCursor>,
}

/// Puts a member, and those below it, under another parent.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct MoveRequest {
    /// The member.
    pub canister: Principal,
    /// Its new parent: root, or a member whose role may have such children.
    pub parent: Principal,
}

/// A member that stands below another parent.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Moved {
    /// The operation that moved it.
    pub operation: OperationId,
}

/// What root tells a member.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct SyncRequest {
    /// The role that root has it down for: must be the one it was built for.
    pub role: String,
    /// Its place in the fleet.
    pub membership: Membership,
}

/// A request of a browser or of Prometheus, as HTTP gateways send it.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// Path and query.
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
    /// The status.
    pub status_code: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}
