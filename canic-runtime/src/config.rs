//! The configuration of a canister, fixed when its crate is compiled: limits of the pool and of
//! roles.
//!
//! The attribute macros build these types as constants. Nothing is read from a file or changed at
//! run time.

use std::{future::Future, pin::Pin};

pub use crate::api::FuelSource;
use crate::api::{OnFailure, RolloutPlan, Share, Snapshots};

/// The balance, in cycles, below which root starts nothing that costs, unless `reserve = ".."`
/// names another: 1 T.
pub const DEFAULT_RESERVE: u128 = 1_000_000_000_000;

/// Cycles that a member starts with, unless its role names another amount: 1 T.
///
/// The platform takes up to 300 B in advance for the longest possible install. With less than that
/// in the canister the install fails.
pub const DEFAULT_MEMBER_CYCLES: u128 = 1_000_000_000_000;

/// Cycles that a pool canister is created with, unless the pool names another amount: 1 T.
pub const DEFAULT_POOL_CYCLES: u128 = 1_000_000_000_000;

/// The limit of a canister's stable memory, in GiB, unless `stable_memory = ".."` names another: 4.
pub const DEFAULT_STABLE_GIB: u16 = 4;

/// The rollouts of a role without `rollout(..)`, and of options that it leaves out: one canary, ten
/// minutes, ten members at once, one failure.
pub const DEFAULT_ROLLOUT: RolloutConfig = RolloutConfig {
    plan: RolloutPlan {
        canary: Share::Members(1),
        bake: 600,
        concurrent: 10,
        max_failures: Share::Members(1),
        on_failure: OnFailure::Pause,
        snapshots: Snapshots::Canary,
        health_timeout: 60,
        keep: 0,
    },
    manual: false,
};

/// The word for root itself among the parents of a role, and the role in root's own identity. No
/// role can have this name.
pub const ROOT_PARENT: &str = "root";

/// The options of `#[canic::root(..)]`.
#[derive(Debug)]
pub struct RootConfig {
    /// The pool, if the fleet has one.
    pub pool: Option<PoolConfig>,
    /// The balance, in cycles, below which root starts nothing that costs.
    pub reserve: u128,
    /// Cycles a day, from midnight to midnight in UTC, that root grants to all roles together.
    /// `None`: no limit.
    pub budget: Option<u128>,
    /// The rule by which root gets cycles for itself, if there is one.
    pub refuel: Option<RefuelConfig>,
    /// The named roles. Empty: any role with an approved module may be provisioned.
    pub roles: &'static [RoleConfig],
}

/// The rule by which root gets cycles for itself. All balances are those that root can spend,
/// without the cycles that its freezing threshold keeps.
#[derive(Clone, Copy, Debug)]
pub struct RefuelConfig {
    /// Root refuels below so many cycles.
    pub below: u128,
    /// Root refuels up to so many cycles.
    pub to: u128,
    /// The sources. Root asks the next one when one has too little.
    pub sources: &'static [FuelSource],
}

/// The limits of the pool of empty canisters.
#[derive(Clone, Copy, Debug)]
pub struct PoolConfig {
    /// Root refills the pool in the background up to this many ready canisters.
    pub min: u32,
    /// The pool's largest size in canisters, ready and claimed ones together.
    pub max: u32,
    /// Cycles that a pool canister is created with.
    pub cycles: u128,
}

/// The limits of one role.
#[derive(Clone, Copy, Debug)]
pub struct RoleConfig {
    /// The name, as in `#[canic::role("name")]`.
    pub name: &'static str,
    /// The largest number of members, those being provisioned included. `None`: no limit.
    pub max: Option<u32>,
    /// The largest number of members below one parent, counted likewise. `None`: no limit.
    pub max_per_parent: Option<u32>,
    /// Whether the role has one member at most, which every request for the role refers to.
    pub singleton: bool,
    /// Cycles that a member starts with. Root pays the platform's creation fee besides.
    pub cycles: u128,
    /// The possible parents: [`ROOT_PARENT`] or names of roles.
    pub parents: &'static [&'static str],
    /// Roles whose members root announces to each member of this role.
    pub watches: &'static [&'static str],
    /// Whether root also announces the releases of these members.
    pub watches_releases: bool,
    /// Controllers of a member besides root.
    pub controllers: &'static [Controller],
    /// What root does with the canister if its install fails.
    pub rollback: Rollback,
    /// How a newer release comes to the members.
    pub rollout: RolloutConfig,
    /// The module, if it is embedded in root.
    pub wasm: Option<&'static [u8]>,
    /// When root grants cycles to a member, and how many. `None`: only if a controller says so.
    pub fund: Option<FundConfig>,
}

/// When root grants cycles to a member of a role, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundConfig {
    /// Root grants cycles to a member that has less than this.
    pub below: Level,
    /// Root grants as many cycles as the member lacks to this.
    pub to: Level,
    /// Cycles a day, from midnight to midnight in UTC, that all members of the role get together.
    /// `None`: no limit but the budget of the fleet.
    pub per_day: Option<u128>,
}

/// An amount of cycles above a canister's freezing threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As many as the canister burns in so many seconds.
    Seconds(u64),
    /// So many cycles.
    Cycles(u128),
}

impl RoleConfig {
    /// The limits of a role without a configuration, if root accepts any role.
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
            watches_releases: false,
            controllers: &[],
            rollback: Rollback::Recycle,
            rollout: DEFAULT_ROLLOUT,
            wasm: None,
            fund: None,
        }
    }
}

/// The rollouts of a role.
#[derive(Clone, Copy, Debug)]
pub struct RolloutConfig {
    /// The plan of a rollout whose request has none, and of one that begins by itself.
    pub plan: RolloutPlan,
    /// Whether a controller begins each rollout. Otherwise it begins with the approval.
    pub manual: bool,
}

/// A controller that members of a role have besides root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// The member's parent.
    Parent,
    /// A principal in its textual form.
    Text(&'static str),
}

/// What root does with the canister of an operation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollback {
    /// Root empties it and adds it to the pool.
    Recycle,
    /// Root drains its cycles and deletes it.
    Delete,
}

/// Schedules the author's `start` hook. A function pointer, so that a canister without that hook
/// does not link the code that retries it.
pub type StartHook = fn();

/// The author's `health` hook.
pub type HealthHook = fn() -> Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// A root canister, as `#[canic::root]` describes it to the runtime.
#[derive(Debug)]
pub struct Root {
    /// The limits.
    pub config: RootConfig,
    /// The limit of its stable memory, in GiB.
    pub max_stable_gib: u16,
    /// Runs after install and after every upgrade.
    pub start: Option<StartHook>,
    /// Comparisons of `args` with what embedded modules take.
    pub args_fit: &'static [fn() -> Result<(), String>],
}

/// A member canister, as `#[canic::role(..)]` describes it to the runtime.
#[derive(Debug)]
pub struct Member {
    /// The role's name.
    pub role: &'static str,
    /// The limit of its stable memory, in GiB.
    pub max_stable_gib: u16,
    /// Runs after install and after every upgrade.
    pub start: Option<StartHook>,
    /// Says whether the code is fit to serve, when root asks after an upgrade.
    pub health: Option<HealthHook>,
    /// Subscribes to root's announcements, if the member does so in `init` and after each upgrade.
    pub subscribes: Option<fn()>,
}
