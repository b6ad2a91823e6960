//! Releases of the fixture `fixture-releases`, and rollouts, as plain functions.

use std::time::Duration;

use candid::Principal;
use canic::api::{
    ApproveRequest, Denied, ModuleError, ModuleInfo, OnFailure, OperationInfo, OperationKind,
    PageRequest, ProvisionRequest, ReleaseInfo, ReleasesPage, ReleasesRequest, RolloutControl,
    RolloutError, RolloutInfo, RolloutPage, RolloutPhase, RolloutPlan, RolloutQuery,
    RolloutRequest, RolloutsPage, Share, Snapshots,
};
use serde_bytes::ByteBuf;

use crate::{
    Fleet, artifacts,
    fleet::{CHUNK, sha256},
};

/// A plan whose rollout is over soon: one canary, a bake of a minute, two members at once.
pub const PLAN: RolloutPlan = RolloutPlan {
    canary: Share::Members(1),
    bake: 60,
    concurrent: 2,
    max_failures: Share::Members(0),
    on_failure: OnFailure::Undo,
    snapshots: Snapshots::Canary,
    health_timeout: 30,
    keep: 0,
};

/// The module of a release: what it does, and its number.
///
/// # Panics
/// When the fixture's module has no place for it.
#[must_use]
pub fn module(does: &str, number: u32) -> Vec<u8> {
    let mut module = artifacts::module("fixture-releases");
    let release = format!("canic-release:{does}:{number:04};");
    let at = module
        .windows(release.len())
        .position(|bytes| bytes.starts_with(b"canic-release:good:"))
        .expect("the module has its release in its data");
    module[at..at + release.len()].copy_from_slice(release.as_bytes());
    module
}

/// The release that a member runs, as it says itself.
///
/// # Panics
/// When it doesn't serve queries.
#[must_use]
pub fn running_release(fleet: &Fleet, member: Principal) -> String {
    fleet
        .query(member, fleet.controller, "running_release", ())
        .unwrap_or_else(|reject| panic!("{member} serves queries: {reject}"))
}

/// The releases that members run, sorted.
#[must_use]
pub fn releases_of(fleet: &Fleet, members: &[Principal]) -> Vec<String> {
    let mut releases: Vec<String> = members
        .iter()
        .map(|member| running_release(fleet, *member))
        .collect();
    releases.sort();
    releases
}

/// Adds a note to a member, and answers how many it has.
///
/// # Errors
/// The reject's message.
pub fn note(fleet: &Fleet, member: Principal, text: &str) -> Result<u64, String> {
    fleet
        .update(member, fleet.controller, "note", (text,))
        .map_err(|reject| reject.reject_message)
}

/// A request for a member of the role `releases` without a key.
#[must_use]
pub fn member_request(role: &str) -> ProvisionRequest {
    ProvisionRequest {
        role: role.to_string(),
        key: None,
        parent: None,
        arg: Vec::new(),
    }
}

/// A new member of the role `releases`.
///
/// # Panics
/// When root refuses.
#[must_use]
pub fn new_member(fleet: &Fleet) -> Principal {
    new_member_of(fleet, "releases")
}

/// A new member of a role whose `init` takes nothing.
///
/// # Panics
/// When root refuses.
#[must_use]
pub fn new_member_of(fleet: &Fleet, role: &str) -> Principal {
    let made = fleet.provision(&member_request(role));
    made.expect("a member").canister
}

/// The release that a new member gets.
#[must_use]
pub fn new_members_get(fleet: &Fleet) -> String {
    let member = new_member(fleet);
    running_release(fleet, member)
}

/// The releases of the role `releases`.
///
/// # Panics
/// When root denies the list.
#[must_use]
pub fn releases(fleet: &Fleet) -> Vec<ReleaseInfo> {
    let request = ReleasesRequest {
        role: "releases".to_string(),
        after: None,
        limit: 100,
    };
    let page: Result<ReleasesPage, Denied> = fleet.ask("canic_releases", (request,));
    page.expect("a controller may list releases").releases
}

/// All rollouts.
///
/// # Panics
/// When root denies the list.
#[must_use]
pub fn rollouts(fleet: &Fleet) -> Vec<RolloutInfo> {
    let request = PageRequest {
        after: None,
        limit: 100,
    };
    let page: Result<RolloutsPage, Denied> = fleet.ask("canic_rollouts", (request,));
    page.expect("a controller may list rollouts").rollouts
}

/// A rollout with its failures.
///
/// # Panics
/// When there is none with this number.
#[must_use]
pub fn rollout(fleet: &Fleet, rollout: u32) -> RolloutPage {
    let query = RolloutQuery {
        rollout,
        after: None,
        limit: 100,
    };
    let page: Result<Option<RolloutPage>, Denied> = fleet.ask("canic_rollout", (query,));
    page.expect("a controller may look").expect("the rollout")
}

/// Approves a module of a role, whose rollout a controller begins.
///
/// # Panics
/// When root refuses.
pub fn stage_manually_for(fleet: &Fleet, role: &str, module: &[u8]) {
    let chunks = module.chunks(CHUNK).map(|chunk| {
        let staged = fleet.stage(chunk).expect("root stages the chunk");
        ByteBuf::from(staged.hash)
    });
    let request = ApproveRequest {
        role: role.to_string(),
        hash: sha256(module),
        chunks: chunks.collect(),
        manual: Some(true),
    };
    let approved: Result<ModuleInfo, ModuleError> =
        fleet.command("canic_module_approve", (request,));
    approved.expect("root approves the module");
}

/// [`stage_manually_for`] the role `releases`.
///
/// # Panics
/// When root refuses.
pub fn stage_manually(fleet: &Fleet, module: &[u8]) {
    stage_manually_for(fleet, "releases", module);
}

/// Begins the rollout of a module to the members of a role, by a plan.
///
/// # Panics
/// When root refuses.
#[must_use]
pub fn roll_out_to(fleet: &Fleet, role: &str, module: &[u8], plan: &RolloutPlan) -> u32 {
    stage_manually_for(fleet, role, module);
    let request = RolloutRequest {
        role: role.to_string(),
        release: None,
        plan: Some(*plan),
        canaries: None,
    };
    let begun: Result<u32, RolloutError> = fleet.command("canic_rollout_start", (request,));
    begun.expect("the rollout begins")
}

/// [`roll_out_to`] the role `releases`.
///
/// # Panics
/// When root refuses.
#[must_use]
pub fn roll_out(fleet: &Fleet, module: &[u8], plan: &RolloutPlan) -> u32 {
    roll_out_to(fleet, "releases", module, plan)
}

/// `canic_rollout_control`.
///
/// # Errors
/// As the endpoint answers.
pub fn control(fleet: &Fleet, id: u32, wish: RolloutControl) -> Result<RolloutInfo, RolloutError> {
    fleet.command("canic_rollout_control", (id, wish))
}

/// Lets so many rounds pass, two seconds each.
pub fn pass(fleet: &Fleet, rounds: u32) {
    for _ in 0..rounds {
        fleet.pic.advance_time(Duration::from_secs(2));
        fleet.pic.tick();
    }
}

/// Lets time pass until a condition holds of the rollout.
///
/// # Panics
/// When it doesn't hold after 3,000 rounds.
pub fn until(fleet: &Fleet, id: u32, mut holds: impl FnMut(&RolloutInfo) -> bool) -> RolloutInfo {
    for _ in 0..3_000 {
        let info = rollout(fleet, id).rollout;
        if holds(&info) {
            return info;
        }
        pass(fleet, 1);
    }
    panic!("{:#?}; open: {:#?}", rollout(fleet, id), fleet.open());
}

/// Whether a rollout has ended, for [`until`].
#[must_use]
pub fn ended(info: &RolloutInfo) -> bool {
    info.phase == RolloutPhase::Ended
}

/// Lets time pass until a member is being upgraded, and answers the operation.
///
/// # Panics
/// When none is after 300 rounds.
#[must_use]
pub fn until_one_is_upgraded(fleet: &Fleet) -> OperationInfo {
    for _ in 0..300 {
        let mut open = fleet.open().into_iter();
        if let Some(upgrade) = open.find(|op| op.kind == OperationKind::Upgrade) {
            return upgrade;
        }
        pass(fleet, 1);
    }
    panic!("no upgrade begins; open: {:#?}", fleet.open());
}

/// Asserts that no member has a snapshot.
///
/// # Panics
/// When one has.
pub fn no_snapshots_are_left(fleet: &Fleet, members: &[Principal]) {
    for member in members {
        let snapshots = fleet
            .pic
            .list_canister_snapshots(*member, Some(fleet.root))
            .expect("root may list them");
        assert!(snapshots.is_empty(), "{member} has {snapshots:?}");
    }
}
