//! The Candid types of releases and rollouts.

use candid::Principal;
use serde::Deserialize;

pub use crate::error::RolloutError;
use crate::tables::{CandidType, Read};

/// The number of a rollout. Root never uses it again.
pub type RolloutId = u32;

/// A number of members, or a share of them.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum Share {
    /// So many members.
    Members(u32),
    /// A share in percent, 1 to 100, rounded up to whole members.
    Percent(u32),
}

/// The action of root when more members fail than a plan tolerates.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum OnFailure {
    /// Root begins no more upgrades, and waits for a controller.
    Pause,
    /// Root brings the old release back to all members that were upgraded.
    Undo,
}

/// The members of which root takes a snapshot before it upgrades them.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum Snapshots {
    /// None of them.
    None,
    /// The canaries.
    Canary,
    /// All of them.
    All,
}

/// The plan of a rollout.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct RolloutPlan {
    /// The members that are upgraded first: at least one.
    pub canary: Share,
    /// The time between the canaries and the rest, in seconds.
    pub bake: u64,
    /// Upgrades at once: 1 to 50.
    pub concurrent: u32,
    /// Failures that the rollout goes on with.
    pub max_failures: Share,
    /// The action of root after one failure more.
    pub on_failure: OnFailure,
    /// The members of which root takes a snapshot.
    pub snapshots: Snapshots,
    /// The time that a member's new code has to become healthy, in seconds.
    pub health_timeout: u64,
    /// The time for which snapshots are kept after the rollout, in seconds.
    pub keep: u64,
}

/// A request to bring the members of a role to a release.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct RolloutRequest {
    /// The role.
    pub role: String,
    /// The release. None: the role's candidate.
    pub release: Option<u32>,
    /// The plan. None: the role's own.
    pub plan: Option<RolloutPlan>,
    /// The canaries by name, instead of the plan's number of them: 50 at most.
    pub canaries: Option<Vec<Principal>>,
}

/// A controller's wish for a rollout.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum RolloutControl {
    /// Begin no more upgrades.
    Pause,
    /// Go on, and let the failures pass that there have been. A rollout that could not drop its
    /// snapshots tries again.
    Resume,
    /// Go on with the rest now, without the bake.
    Promote,
    /// End the rollout. What is begun ends; upgraded members keep the release.
    Abort,
    /// Bring the old release back to all members that were upgraded. Root loads the snapshots of
    /// members that have one if `state` is true: writes since then are lost.
    Undo {
        /// Whether the state goes back as well.
        state: bool,
    },
}

/// A phase of a rollout.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum RolloutPhase {
    /// Root drops snapshots of an earlier rollout.
    Clear,
    /// Root upgrades the canaries.
    Canary,
    /// The canaries serve. Nothing is begun.
    Bake,
    /// Root looks at the canaries again.
    Look,
    /// Root upgrades the other members.
    Rest,
    /// Root brings the old release back.
    Undo,
    /// The work on members is done. Root keeps the snapshots for the time of the plan. Paused: some
    /// could not be dropped, and root tries again a day later.
    Settle,
    /// The rollout has ended.
    Ended,
}

/// The way in which a rollout ended.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub enum RolloutOutcome {
    /// All members were looked at. Those that did not fail have the release.
    Completed,
    /// A controller ended it.
    Aborted,
    /// The members have their old release again.
    Undone,
    /// A newer release took its place.
    Superseded,
}

/// A rollout.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct RolloutInfo {
    /// Its number.
    pub id: RolloutId,
    /// The role.
    pub role: String,
    /// The release that was current before.
    pub from: u32,
    /// The release that it brings.
    pub to: u32,
    /// Its plan.
    pub plan: RolloutPlan,
    /// Its phase.
    pub phase: RolloutPhase,
    /// The reason of its pause, if it is paused.
    pub paused: Option<String>,
    /// The way in which it ended, once the work on members is done.
    pub outcome: Option<RolloutOutcome>,
    /// Members of the role when it began.
    pub members: u32,
    /// Members that have the release by it.
    pub upgraded: u32,
    /// Failures. Each failed member runs the release that it had.
    pub failed: u32,
    /// Members that got their old release again.
    pub undone: u32,
    /// Operations of it that are under way.
    pub open: u32,
    /// Members that have another release than the one that it brings now.
    pub left: u32,
    /// Seconds that it probably takes from now on, its bake included. None: it waits for a
    /// controller, its work is done, or no upgrade has ended yet.
    pub seconds_left: Option<u64>,
    /// When it began, in nanoseconds since 1970.
    pub started: u64,
    /// When its phase began, in nanoseconds since 1970.
    pub since: u64,
}

/// A member that a rollout failed to upgrade.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct RolloutFailure {
    /// The operation. `canic_operation` tells more.
    pub operation: u64,
    /// The member.
    pub canister: Principal,
    /// The reason.
    pub reason: String,
}

/// A request for a rollout and a page of its failures.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct RolloutQuery {
    /// The rollout.
    pub rollout: RolloutId,
    /// The page begins after this operation.
    pub after: Option<u64>,
    /// The number of failures.
    pub limit: u32,
}

/// A rollout and a page of its failures.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct RolloutPage {
    /// The rollout.
    pub rollout: RolloutInfo,
    /// Its failures, oldest first. Root forgets the reasons of those whose operations it forgets.
    pub failures: Vec<RolloutFailure>,
    /// The `after` of the next page.
    pub next: Option<u64>,
}

/// A page of rollouts.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct RolloutsPage {
    /// The rows, oldest first.
    pub rollouts: Vec<RolloutInfo>,
    /// The `after` of the next page.
    pub next: Option<u64>,
}

/// A release of a role.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct ReleaseInfo {
    /// Its number within the role.
    pub number: u32,
    /// The SHA-256 of its module.
    #[serde(with = "serde_bytes")]
    pub hash: Vec<u8>,
    /// The size of its module, in bytes.
    pub size: u64,
    /// Whether it was embedded in root. Otherwise it was staged.
    pub embedded: bool,
    /// The name of its crate, if its module tells it.
    pub name: Option<String>,
    /// The version of its crate, if its module tells it.
    pub version: Option<String>,
    /// The SHA-256 of its Candid interface as text, if its module has the section `candid:service`.
    pub interface: Option<serde_bytes::ByteBuf>,
    /// The layout of stable memory that its code knows, if its module tells it. A member can't go
    /// back to code that knows an older one.
    pub layout: Option<u32>,
    /// When root approved it, in nanoseconds since 1970.
    pub approved: u64,
    /// Members that have it.
    pub members: u32,
    /// Whether new members get it.
    pub current: bool,
    /// Whether it is the role's candidate.
    pub candidate: bool,
}

/// A request for a page of a role's releases.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct ReleasesRequest {
    /// The role.
    pub role: String,
    /// The page begins after this release.
    pub after: Option<u64>,
    /// The number of rows.
    pub limit: u32,
}

/// A page of releases.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct ReleasesPage {
    /// The rows, oldest first.
    pub releases: Vec<ReleaseInfo>,
    /// The `after` of the next page.
    pub next: Option<u64>,
}
