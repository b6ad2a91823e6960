//! Releases and rollouts as rows of queries, and plans from and to Candid.

use serde_bytes::ByteBuf;

use crate::{
    api::{
        self, PageRequest, ReleaseInfo, ReleasesPage, ReleasesRequest, RolloutFailure, RolloutInfo,
        RolloutOutcome, RolloutPage, RolloutPhase, RolloutQuery, RolloutsPage,
    },
    codec::paging::rows,
    operation::rollout::{self, OnFailure, Outcome, Phase, Rollout, Share, Snapshots},
    state::{State, registry::Role, releases::ReleaseRecord},
};

/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A page of a role's releases.
pub(crate) fn releases(state: &State, request: &ReleasesRequest) -> ReleasesPage {
    let role = state.registry.role(&request.role);
    let limit = rows(request.limit);
    let after = request.after.unwrap_or_default();
    let mut all = role
        .into_iter()
        .flat_map(|role| role.releases.all().map(move |release| (role, release)))
        .filter(|(_, release)| u64::from(release.number) > after)
        .peekable();
    let mut releases = Vec::new();
    while releases.len() < limit
        && let Some((role, release)) = all.next()
    {
        releases.push(release_info(state, role, release));
    }
    let last = releases.last().map(|release| u64::from(release.number));
    let next = all.peek().and(last);
    ReleasesPage { releases, next }
}

fn release_info(state: &State, role: &Role, release: &ReleaseRecord) -> ReleaseInfo {
    let module = state.modules.get(release.module);
    let metadata = module.and_then(|module| module.metadata.clone());
    let metadata = metadata.unwrap_or_default();
    let was_embedded = module.is_some_and(|module| module.embedded);
    let is = |other: Option<&ReleaseRecord>| other.is_some_and(|other| other == release);
    ReleaseInfo {
        number: release.number,
        hash: release.module.to_vec(),
        size: module.map_or(0, |module| module.size),
        embedded: was_embedded || role.releases.embedded() == Some(release.module),
        name: metadata.name,
        version: metadata.version,
        interface: metadata.interface.map(|hash| ByteBuf::from(hash.to_vec())),
        layout: metadata.layout,
        approved: release.approved,
        members: state.registry.count_on_release(role.number, release.number),
        current: is(role.releases.current()),
        candidate: is(role.releases.candidate()),
    }
}

/// A page of rollouts.
pub(crate) fn rollouts(state: &State, request: PageRequest, now: u64) -> RolloutsPage {
    let after = request
        .after
        .map(|after| u32::try_from(after).unwrap_or(u32::MAX));
    let mut all = state.rollouts.after(after).peekable();
    let mut rollouts = Vec::new();
    while rollouts.len() < rows(request.limit)
        && let Some(rollout) = all.next()
    {
        rollouts.push(info(state, rollout, now));
    }
    let last = rollouts.last().map(|rollout| u64::from(rollout.id));
    let next = all.peek().and(last);
    RolloutsPage { rollouts, next }
}

/// A rollout and a page of its failures.
pub(crate) fn rollout(state: &State, request: RolloutQuery, now: u64) -> Option<RolloutPage> {
    let rollout = state.rollouts.get(request.rollout)?;
    let after = request.after.unwrap_or_default();
    let failed = rollout
        .failures
        .iter()
        .filter(|operation| **operation > after);
    let limit = rows(request.limit);
    let failures: Vec<RolloutFailure> = failed
        .clone()
        .take(limit)
        .filter_map(|operation| {
            let op = state.journal.get(*operation)?;
            Some(RolloutFailure {
                operation: op.id,
                canister: op.canister()?,
                reason: op.failure.unwrap_or_default(),
            })
        })
        .collect();
    let next = failed
        .clone()
        .nth(limit)
        .and(failed.clone().nth(limit.saturating_sub(1)));
    Some(RolloutPage {
        rollout: info(state, rollout, now),
        failures,
        next: next.copied(),
    })
}

/// A rollout as a row.
pub(crate) fn info(state: &State, rollout: &Rollout, now: u64) -> RolloutInfo {
    let name = state.registry.role_name(rollout.role);
    let taken = state.registry.role(name).map_or(0, |role| role.taken);
    let target = if rollout.phase == Phase::Undo || rollout.outcome == Some(Outcome::Undone) {
        rollout.from
    } else {
        rollout.to
    };
    let there = state.registry.count_on_release(rollout.role, target);
    let left = taken.saturating_sub(there);
    let estimate = rollout.estimate(left, now);
    RolloutInfo {
        id: rollout.id,
        role: name.to_string(),
        from: rollout.from,
        to: rollout.to,
        plan: (&rollout.plan).into(),
        phase: phase(rollout.phase),
        paused: rollout.pause.clone(),
        outcome: rollout.outcome.map(outcome),
        members: rollout.members,
        upgraded: rollout.upgraded,
        failed: rollout.failed,
        undone: rollout.undone,
        open: state.journal.open_upgrades(rollout.id),
        left,
        seconds_left: estimate.map(|nanoseconds| nanoseconds.div_ceil(SECOND)),
        started: rollout.started,
        since: rollout.since,
    }
}

pub(crate) fn phase(phase: Phase) -> RolloutPhase {
    match phase {
        Phase::Clear => RolloutPhase::Clear,
        Phase::Canary => RolloutPhase::Canary,
        Phase::Bake => RolloutPhase::Bake,
        Phase::Look => RolloutPhase::Look,
        Phase::Rest => RolloutPhase::Rest,
        Phase::Undo => RolloutPhase::Undo,
        Phase::Settle => RolloutPhase::Settle,
        Phase::Ended => RolloutPhase::Ended,
    }
}

fn outcome(outcome: Outcome) -> RolloutOutcome {
    match outcome {
        Outcome::Completed => RolloutOutcome::Completed,
        Outcome::Aborted => RolloutOutcome::Aborted,
        Outcome::Undone => RolloutOutcome::Undone,
        Outcome::Superseded => RolloutOutcome::Superseded,
    }
}

// Plans

impl From<&api::RolloutPlan> for rollout::RolloutPlan {
    fn from(plan: &api::RolloutPlan) -> Self {
        let share = |share| match share {
            api::Share::Members(number) => Share::Members(number),
            api::Share::Percent(percent) => Share::Percent(percent),
        };
        Self {
            canary: share(plan.canary),
            bake: plan.bake.saturating_mul(SECOND),
            concurrent: plan.concurrent,
            max_failures: share(plan.max_failures),
            on_failure: match plan.on_failure {
                api::OnFailure::Pause => OnFailure::Pause,
                api::OnFailure::Undo => OnFailure::Undo,
            },
            snapshots: match plan.snapshots {
                api::Snapshots::None => Snapshots::None,
                api::Snapshots::Canary => Snapshots::Canary,
                api::Snapshots::All => Snapshots::All,
            },
            health_timeout: plan.health_timeout.saturating_mul(SECOND),
            keep: plan.keep.saturating_mul(SECOND),
        }
    }
}

impl From<&rollout::RolloutPlan> for api::RolloutPlan {
    fn from(plan: &rollout::RolloutPlan) -> Self {
        let share = |share| match share {
            Share::Members(number) => api::Share::Members(number),
            Share::Percent(percent) => api::Share::Percent(percent),
        };
        Self {
            canary: share(plan.canary),
            bake: plan.bake / SECOND,
            concurrent: plan.concurrent,
            max_failures: share(plan.max_failures),
            on_failure: match plan.on_failure {
                OnFailure::Pause => api::OnFailure::Pause,
                OnFailure::Undo => api::OnFailure::Undo,
            },
            snapshots: match plan.snapshots {
                Snapshots::None => api::Snapshots::None,
                Snapshots::Canary => api::Snapshots::Canary,
                Snapshots::All => api::Snapshots::All,
            },
            health_timeout: plan.health_timeout / SECOND,
            keep: plan.keep / SECOND,
        }
    }
}
