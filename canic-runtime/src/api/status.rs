//! The Candid types of the fleet's live state and of what it costs.

use candid::{CandidType, Principal};
use serde::Deserialize;

use crate::{
    api::{Accounts, FuelSource, GrantLimit, GrantPurpose, MembersFilter},
    tables::Read,
};

/// Rows of a [`StatusPage`] at most. The platform counts 50 M instructions for each call of a
/// composite query, and allows 5 B in all: one call is about root, and some are kept for what the
/// query executes.
pub const MAX_STATUS_PAGE: u32 = 90;

/// A request for the live state of members, or of other canisters of root's.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct StatusRequest {
    /// The members.
    pub filter: MembersFilter,
    /// The row after which the page begins.
    pub after: Option<Principal>,
    /// The number of rows, at most [`MAX_STATUS_PAGE`].
    pub limit: u32,
    /// Canisters of the pool, or in quarantine, that root is asked about instead of members: the
    /// first [`MAX_STATUS_PAGE`] of them.
    pub canisters: Option<Vec<Principal>>,
}

/// A page of the live state of members.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
pub struct StatusPage {
    /// Root itself.
    pub root: Result<LiveState, String>,
    /// The members.
    pub members: Vec<MemberLive>,
    /// The `after` of the next page.
    pub next: Option<Principal>,
    /// Members that the filter selects, on all pages.
    pub total: u64,
    /// The canisters that the request names, in its order. None: it names none.
    pub canisters: Option<Vec<CanisterLive>>,
}

/// The live state of a canister that is no member.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
pub struct CanisterLive {
    /// The canister.
    pub canister: Principal,
    /// Its state, or the platform's reason for not telling it.
    pub live: Result<LiveState, String>,
}

/// A member on record, and its live state.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
pub struct MemberLive {
    /// The member.
    pub canister: Principal,
    /// Its role.
    pub role: String,
    /// Its key, if it has one.
    pub key: Option<String>,
    /// The release that it has by root's record. 0: none that root knows.
    pub release: u32,
    /// Whether it runs the module of that release. None: its state can't be seen.
    pub runs_release: Option<bool>,
    /// Its state, or the platform's reason for not telling it.
    pub live: Result<LiveState, String>,
}

/// Whether a canister runs.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum RunState {
    /// It runs.
    Running,
    /// It is being stopped.
    Stopping,
    /// It is stopped.
    Stopped,
}

/// The live state of a canister, as `canister_status` tells it.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
pub struct LiveState {
    /// Whether it runs.
    pub run: RunState,
    /// The SHA-256 of its module. None: it is empty.
    pub module: Option<Vec<u8>>,
    /// Its cycles.
    pub cycles: u128,
    /// Cycles that its freezing threshold keeps.
    pub frozen: u128,
    /// Its memory in bytes, of all kinds.
    pub memory: u128,
    /// Cycles that it burns a day at rest.
    pub burned_per_day: u128,
    /// Days until it is frozen, at rest. None: it burns nothing.
    pub days_left: Option<f64>,
}

/// How urgent the fleet's need of cycles is.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// There are enough.
    Ok,
    /// Somebody has to act within days.
    Warn,
    /// Somebody has to act now.
    Critical,
}

/// What the fleet costs, and how long its cycles last.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
pub struct FundingInfo {
    /// The worst of the levels below.
    pub level: Level,
    /// Root itself, which pays for all.
    pub root: RootFunding,
    /// The roles that have members, by name.
    pub roles: Vec<RoleFunding>,
    /// What was granted, by day, oldest first: 30 days at most, those without grants left out.
    pub days: Vec<FundingDay>,
    /// Grants that a limit refused, oldest first: 100 at most.
    pub refused: Vec<RefusedGrant>,
    /// Cycles a day that root grants to all roles together. None: no limit.
    pub budget: Option<u128>,
    /// Cycles charged against the budget since midnight in UTC.
    pub charged_today: u128,
}

/// The members of a role, by root's last looks at them: a week ago at most.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
pub struct RoleFunding {
    /// The role.
    pub role: String,
    /// How urgent it is.
    pub level: Level,
    /// Its members, those being provisioned included.
    pub members: u64,
    /// Members that root has looked at.
    pub seen: u64,
    /// Cycles that these burn a day.
    pub burned_per_day: u128,
    /// Days until the first of them is frozen. None: two weeks or more.
    pub days_left: Option<f64>,
    /// Members that root last saw frozen.
    pub frozen: u64,
    /// Members to which a limit refuses the cycles that they need.
    pub refused: u64,
}

/// The grants of a day.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct FundingDay {
    /// The day's midnight in UTC: nanoseconds since the epoch.
    pub day: u64,
    /// Cycles by purpose.
    pub granted: Vec<(GrantPurpose, u128)>,
    /// Grants.
    pub grants: u64,
    /// Grants that were refused.
    pub refusals: u64,
}

/// A grant that a limit refused.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct RefusedGrant {
    /// When it was last refused: nanoseconds since the epoch.
    pub at: u64,
    /// The canister.
    pub canister: Principal,
    /// What the cycles were for.
    pub purpose: GrantPurpose,
    /// Cycles that were needed, or asked for.
    pub cycles: u128,
    /// The limit.
    pub limit: GrantLimit,
    /// Cycles that were left of it.
    pub left: u128,
    /// When root tries again, or the caller may: nanoseconds since the epoch.
    pub retry_at: u64,
    /// Refusals in a row.
    pub times: u64,
}

/// Root's own cycles.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq)]
pub struct RootFunding {
    /// How urgent it is.
    pub level: Level,
    /// The reason for a level that is not [`Level::Ok`].
    pub reason: Option<String>,
    /// Cycles that root can spend: without its reserve, and without what open operations still have
    /// to send.
    pub available: u128,
    /// Cycles that root keeps.
    pub reserve: u128,
    /// Cycles that leave root a day, for whatever purpose: the mean of the last 30 days. None: root
    /// has watched itself for less than a day.
    pub spent_per_day: Option<u128>,
    /// Days until root is at its reserve, at this rate.
    pub days_left: Option<f64>,
    /// The time at which root is at its reserve, at this rate: nanoseconds since the epoch.
    pub dry_at: Option<u64>,
    /// The rule by which root refuels itself.
    pub refuel: Option<RefuelRule>,
    /// Cycles that refuels have brought since root was installed.
    pub refuelled: u128,
    /// The accounts from which root refuels.
    pub accounts: Accounts,
}

/// The rule by which root refuels itself.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct RefuelRule {
    /// Root refuels below so many cycles.
    pub below: u128,
    /// Root refuels up to so many cycles.
    pub to: u128,
    /// The sources, the first one first.
    pub sources: Vec<FuelSource>,
}
