//! What an author fixes when the crate is compiled: limits of the pool and of the roles.
//!
//! The attribute macros build these as constants; nothing here is read from a file or changed at run time.

/// Cycles below which root starts nothing that costs, unless `reserve = ".."` says otherwise: 1 T.
pub const DEFAULT_RESERVE: u128 = 1_000_000_000_000;

/// Cycles that a member starts with, unless its role says otherwise: 1 T.
///
/// The platform takes up to 300 B in advance for the longest possible install, so less would make installs fail.
pub const DEFAULT_MEMBER_CYCLES: u128 = 1_000_000_000_000;

/// Cycles that a pool canister is created with, unless the pool says otherwise: 1 T.
pub const DEFAULT_POOL_CYCLES: u128 = 1_000_000_000_000;

/// GiB to which a canister's stable memory can grow, unless `stable_memory = ".."` says otherwise: 4.
pub const DEFAULT_STABLE_GIB: u16 = 4;

/// The word that stands for root itself among the parents of a role.
pub const ROOT_PARENT: &str = "root";

/// Everything `#[canic::root(..)]` says.
#[derive(Debug)]
pub struct RootConfig {
    /// The pool, if the fleet has one.
    pub pool: Option<PoolConfig>,
    /// The balance, in cycles, below which root starts nothing that costs.
    pub reserve: u128,
    /// The named roles. Empty means that any role with an approved module may be provisioned.
    pub roles: &'static [RoleConfig],
}

/// The limits of the pool of empty canisters.
#[derive(Debug)]
pub struct PoolConfig {
    /// Refilled in the background up to this many ready canisters.
    pub min: u32,
    /// Never more than this many canisters, ready and claimed together.
    pub max: u32,
    /// Cycles that a canister of the pool is created with.
    pub cycles: u128,
}

/// The limits of one role.
#[derive(Clone, Copy, Debug)]
pub struct RoleConfig {
    /// The name, as in `#[canic::role("name")]`.
    pub name: &'static str,
    /// At most this many members, those being provisioned included. `None`: no limit.
    pub max: Option<u32>,
    /// At most this many of them below one parent. `None`: no limit.
    pub max_per_parent: Option<u32>,
    /// One member at most, and every request for the role means that one.
    pub singleton: bool,
    /// Cycles that a member starts with; the platform's creation fee comes on top.
    pub cycles: u128,
    /// Who may be the parent: [`ROOT_PARENT`] or names of roles.
    pub parents: &'static [&'static str],
    /// Roles whose members root announces to each member of this one.
    pub watches: &'static [&'static str],
    /// Controllers beside root.
    pub controllers: &'static [Controller],
    /// What becomes of the canister when its install fails.
    pub rollback: Rollback,
    /// The module, if it was embedded when root was built.
    pub wasm: Option<&'static [u8]>,
}

impl RoleConfig {
    /// The limits of a role that root was not told of, where the set of roles is open.
    #[must_use]
    pub const fn open(name: &'static str) -> Self {
        Self {
            name,
            max: None,
            max_per_parent: None,
            singleton: false,
            cycles: DEFAULT_MEMBER_CYCLES,
            parents: &[ROOT_PARENT],
            watches: &[],
            controllers: &[],
            rollback: Rollback::Recycle,
            wasm: None,
        }
    }
}

/// A controller that members of a role have beside root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// The member's parent.
    Parent,
    /// A principal in its textual form.
    Text(&'static str),
}

/// What becomes of a canister that was allocated for an operation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollback {
    /// It is emptied and goes (back) to the pool.
    Recycle,
    /// Its cycles are drained to root and it is deleted.
    Delete,
}

/// Has the author's `start` hook run. A canister without one links nothing of what that takes.
pub type StartHook = fn();

/// A root canister, as `#[canic::root]` describes it to the runtime.
#[derive(Debug)]
pub struct Root {
    /// Limits.
    pub config: RootConfig,
    /// GiB to which its stable memory can grow.
    pub max_stable_gib: u16,
    /// Runs after install and after every upgrade.
    pub start: Option<StartHook>,
}

/// A member canister, as `#[canic::role(..)]` describes it to the runtime.
#[derive(Debug)]
pub struct Member {
    /// The role's name.
    pub role: &'static str,
    /// GiB to which its stable memory can grow.
    pub max_stable_gib: u16,
    /// Runs after install and after every upgrade.
    pub start: Option<StartHook>,
    /// Has it take notice of what root announces, from the first moment on.
    pub listens: Option<fn()>,
}
