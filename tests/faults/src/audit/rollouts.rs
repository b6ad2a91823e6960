//! The audit of rollouts: members are never left stopped, on probation, with a snapshot, or with a
//! release that root's records do not name, and no acknowledged write is lost.

pub(crate) mod notes;

use std::collections::{BTreeMap, BTreeSet};

use candid::{Decode, Principal};
use canic::api::{
    Denied, MAX_PAGE, MemberInfo, ReleaseInfo, ReleasesPage, ReleasesRequest, RolloutControl,
    RolloutError, RolloutInfo, RolloutOutcome, RolloutPage, RolloutPhase, RolloutQuery, Share,
};

use crate::{
    releases::ROLE,
    world::{Request, World, controller},
};

/// Checks what holds at any time of a rollout. A controller may have let it go on after failures.
pub(crate) fn check_round(rollout: &RolloutInfo, is_let_go_on: bool) -> Option<String> {
    let canaries = share(rollout.plan.canary, rollout.members);
    let begun = rollout.upgraded + rollout.failed + rollout.open;
    let is_early = matches!(rollout.phase, RolloutPhase::Canary | RolloutPhase::Bake);
    if is_early && begun > canaries {
        return Some(format!("more than {canaries} canaries: {rollout:?}"));
    }
    let works = is_early || matches!(rollout.phase, RolloutPhase::Look | RolloutPhase::Rest);
    let tolerated = share(rollout.plan.max_failures, rollout.members);
    if works && rollout.paused.is_none() && rollout.failed > tolerated && !is_let_go_on {
        return Some(format!("it goes on after too many failures: {rollout:?}"));
    }
    if rollout.open > rollout.plan.concurrent {
        return Some(format!("more at once than its plan says: {rollout:?}"));
    }
    None
}

fn share(share: Share, members: u32) -> u32 {
    match share {
        Share::Members(number) => number,
        Share::Percent(percent) => (members * percent).div_ceil(100),
    }
}

/// Checks before anything is started again: root left no member stopped.
pub(super) fn check_running(world: &mut World) -> Vec<String> {
    let mut violations = Vec::new();
    for member in world.members() {
        let canister = member.canister;
        if world.stopped.contains(&canister) {
            continue;
        }
        violations.extend(world.not_running(canister));
    }
    violations
}

/// Ends the rollouts that wait for a controller, and checks all rollouts and members afterwards.
pub(super) fn check_rollouts(world: &mut World) -> Vec<String> {
    let mut violations: Vec<String> = world.seen.iter().cloned().collect();
    world.writer.aim(&[], None);
    for rollout in world.open_rollouts() {
        violations.extend(check_pause(&rollout));
        // Members that were frozen kept their snapshots. Now they can be dropped.
        let wish = match rollout.phase {
            RolloutPhase::Settle => RolloutControl::Resume,
            _ => RolloutControl::Abort,
        };
        let answer: Result<RolloutInfo, RolloutError> =
            world.ask(controller(), "canic_rollout_control", (rollout.id, wish));
        if let Err(error) = answer {
            violations.push(format!("{rollout:?} can't be ended: {error:?}"));
        }
    }
    violations.extend(world.settle(|_| ()).err());
    let open = world.open_rollouts();
    if !open.is_empty() {
        violations.push(format!("these rollouts never end: {open:?}"));
    }
    let members = world.members();
    for rollout in newest_of_each_role(world) {
        violations.extend(check_end(world, &rollout, &members));
    }
    violations.extend(check_counts(world, &members));
    violations.extend(check_told(world, &members));
    for member in &members {
        violations.extend(check_member(world, member));
    }
    violations.extend(notes::check(world, &members));
    violations
}

/// A rollout pauses by itself only after more failures than its plan tolerates, if no canary was
/// upgraded, or at its end, if snapshots of frozen members are left.
fn check_pause(rollout: &RolloutInfo) -> Option<String> {
    let by_controller = rollout.paused.as_deref() == Some("a controller paused it");
    let refused = rollout.phase == RolloutPhase::Settle && rollout.paused.is_some();
    let tolerated = share(rollout.plan.max_failures, rollout.members);
    let without_canary =
        rollout.phase == RolloutPhase::Canary && rollout.upgraded == 0 && rollout.failed > 0;
    (!by_controller && !without_canary && !refused && rollout.failed <= tolerated)
        .then(|| format!("it waits without a reason: {rollout:?}"))
}

fn newest_of_each_role(world: &mut World) -> Vec<RolloutInfo> {
    let all = world.rollouts().into_iter();
    let by_role: BTreeMap<String, RolloutInfo> =
        all.map(|rollout| (rollout.role.clone(), rollout)).collect();
    by_role.into_values().collect()
}

/// Checks that the newest rollout of a role passed nobody over, tried nobody twice, and went on for
/// no longer than its plan lets it.
fn check_end(world: &mut World, rollout: &RolloutInfo, members: &[MemberInfo]) -> Vec<String> {
    let mut violations = Vec::new();
    let tolerated = share(rollout.plan.max_failures, rollout.members);
    let is_completed = rollout.outcome == Some(RolloutOutcome::Completed);
    if is_completed && rollout.failed > tolerated && !is_let_go_on(world) {
        violations.push(format!("it went on after too many failures: {rollout:?}"));
    }
    let query = RolloutQuery {
        rollout: rollout.id,
        after: None,
        limit: MAX_PAGE,
    };
    let page: Result<Option<RolloutPage>, Denied> = world.query("canic_rollout", (query,));
    let page = page
        .expect("root's controller may ask")
        .expect("it is listed");
    let pruned = world.requests.iter().any(|one| one.method == "canic_prune");
    if pruned {
        return violations;
    }
    let failed: BTreeSet<Principal> = page.failures.iter().map(|one| one.canister).collect();
    let is_undone = rollout.outcome == Some(RolloutOutcome::Undone);
    if !is_undone && rollout.undone == 0 && failed.len() < page.failures.len() {
        violations.push(format!("a member was tried twice: {page:?}"));
    }
    let of_role = members.iter().filter(|one| one.role == rollout.role);
    let there = of_role.clone().filter(|one| one.release == rollout.to);
    let retires = world
        .requests
        .iter()
        .any(|one| one.method == "canic_retire");
    if is_completed && !retires && there.count() < rollout.upgraded as usize {
        violations.push(format!(
            "fewer members have its release than it says: {rollout:?}"
        ));
    }
    // A rollout of the release that was current before brings back only what it reached itself.
    let stays_current = releases(world, &rollout.role)
        .iter()
        .any(|release| release.current && release.number == rollout.to);
    for member in of_role {
        let passed_over = match rollout.outcome {
            Some(RolloutOutcome::Completed) => member.release != rollout.to,
            Some(RolloutOutcome::Undone) => member.release == rollout.to && !stays_current,
            _ => false,
        };
        if passed_over && !failed.contains(&member.canister) {
            violations.push(format!("it passed {member:?} over: {rollout:?}"));
        }
    }
    violations
}

/// Whether a controller may have let a rollout go on after failures.
pub(crate) fn is_let_go_on(world: &World) -> bool {
    world.requests.iter().any(|request| {
        request.method == "canic_rollout_control"
            && argument_of_control(request) != Some(RolloutControl::Pause)
    })
}

fn argument_of_control(request: &Request) -> Option<RolloutControl> {
    let (_, wish) = Decode!(&request.argument, u32, RolloutControl).ok()?;
    Some(wish)
}

/// The releases of a role.
fn releases(world: &mut World, role: &str) -> Vec<ReleaseInfo> {
    let request = ReleasesRequest {
        role: role.to_string(),
        after: None,
        limit: MAX_PAGE,
    };
    let page: Result<ReleasesPage, Denied> = world.query("canic_releases", (request,));
    page.expect("root's controller may ask").releases
}

/// Checks root's counts of members by release.
fn check_counts(world: &mut World, members: &[MemberInfo]) -> Vec<String> {
    let roles: BTreeSet<&str> = members.iter().map(|member| member.role.as_str()).collect();
    let mut violations = Vec::new();
    for role in roles {
        for release in releases(world, role) {
            let of_role = members.iter().filter(|member| member.role == role);
            let there = of_role.filter(|member| member.release == release.number);
            let there = there.count();
            if there != release.members as usize {
                violations.push(format!("{there} members of {role} have {release:?}"));
            }
        }
    }
    violations
}

/// Checks that watchers know the releases of the members whose releases they are told.
fn check_told(world: &mut World, members: &[MemberInfo]) -> Vec<String> {
    let mut violations = Vec::new();
    let are_told = world.package == "fixture-index-root";
    let watchers = members.iter().filter(|one| one.role == "watcher");
    for watcher in watchers.filter(|_| are_told) {
        for member in members.iter().filter(|one| one.role == ROLE) {
            let told = notes::told(world, watcher.canister, member.canister);
            if told != Ok(Some(member.release)) {
                violations.push(format!("a watcher was told {told:?} of {member:?}"));
            }
        }
    }
    violations
}

/// Checks that a member has no snapshot left, and is not on probation. One that root had to give up
/// stays on probation.
fn check_member(world: &mut World, member: &MemberInfo) -> Vec<String> {
    let canister = member.canister;
    let mut violations = Vec::new();
    match world.status(canister) {
        Ok(status) if status.memory_metrics.snapshots_size == 0u8 => {}
        Ok(status) => violations.push(format!(
            "a snapshot of {canister} is left: {} bytes",
            status.memory_metrics.snapshots_size
        )),
        Err(reject) => violations.push(format!("{canister} can't be seen: {reject:?}")),
    }
    let on_probation = world
        .identity_info(canister)
        .is_some_and(|info| info.probation);
    if on_probation && !notes::was_given_up(world, member) {
        violations.push(format!("{canister} is left on probation"));
    }
    violations
}
