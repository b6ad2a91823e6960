//! Requests for rollouts: a controller begins one, or says how it goes on.

use candid::Principal;

use crate::{
    api::{
        RolloutControl, RolloutError, RolloutId, RolloutInfo, RolloutPlan, RolloutRequest, Share,
        Snapshots,
    },
    config::{DEFAULT_ROLLOUT, RolloutConfig},
    operation::rollout::{self, MAX_CONCURRENT, Outcome, Phase, Rollout},
    root::rollout_info,
    stable::record::Id,
    state::{State, registry::Role},
};

/// Named canaries of a rollout at most.
const MAX_NAMED: usize = 50;

/// A day, in seconds.
const DAY: u64 = 86_400;

/// The longest bake, and the longest time for which snapshots are kept, in seconds.
const MAX_WAIT: u64 = 30 * DAY;

/// The longest time that a member has to become healthy, in seconds: it takes no updates meanwhile.
const MAX_HEALTH_TIMEOUT: u64 = DAY;

/// Begins a rollout.
///
/// # Errors
///
/// See [`RolloutError`].
pub(crate) fn start(
    state: &mut State,
    request: &RolloutRequest,
    now: u64,
) -> Result<RolloutId, RolloutError> {
    let name = request.role.as_str();
    let role = state.registry.role(name).cloned();
    let Some(role) = role.filter(|role| role.releases.current().is_some()) else {
        return Err(RolloutError::UnknownRole {
            role: request.role.clone(),
        });
    };
    let wanted = request.release;
    let candidate = role.releases.candidate().map(|release| release.number);
    let number = wanted.or(candidate);
    let Some(to) = number.filter(|number| role.releases.get(*number).is_some()) else {
        return Err(RolloutError::UnknownRelease {
            release: wanted,
            known: role.releases.all().map(|release| release.number).collect(),
        });
    };
    let current = role.releases.current().map_or(0, |release| release.number);
    let finishes = to == current;
    let from = if finishes {
        let from = left_behind(state, &role, to);
        from.ok_or(RolloutError::AlreadyCurrent { release: to })?
    } else {
        current
    };
    if let Some(active) = state.rollouts.active_of(role.number) {
        let rollout = active.id;
        return Err(RolloutError::Active { rollout });
    }
    let plan = request.plan.unwrap_or_else(|| config(state, name).plan);
    let plan = checked(&plan)?;
    let named = request.canaries.as_deref().unwrap_or_default();
    let named = named_canaries(state, role.number, named)?;
    // Every rollout of a module begins its walk at the same member, and each module at another.
    let module = role.releases.get(to).map(|release| release.module);
    let first = state
        .registry
        .any_of_role(role.number, module.unwrap_or_default());
    state
        .registry
        .change_releases(name, |releases| releases.set_candidate(Some(to)));
    let id = state.rollouts.next_id();
    state.rollouts.put(Rollout {
        members: role.taken,
        first: Id(first),
        named,
        finishes,
        ..Rollout::new(id, role.number, (from, to), plan, now)
    });
    Ok(id)
}

/// The release of the members that rollouts of the current one left behind. `None`: all members
/// have it, and root has told them that it is accepted.
fn left_behind(state: &State, role: &Role, current: u32) -> Option<u32> {
    let on_other = state.registry.other_release(role.number, current);
    let others = role.releases.all().map(|release| release.number);
    on_other.or_else(|| {
        let mut others = others.rev().filter(|number| *number != current);
        let needs_look = state.registry.on_probation(role.number) > 0;
        needs_look.then(|| others.next()).flatten()
    })
}

/// Ends the rollout of a role that is under way, in favour of a release that was approved. Whoever
/// approves the release that is current before the rest has the new one wants no other: the
/// canaries get it back.
pub(crate) fn supersede(state: &mut State, role: &str, approved: u32, now: u64) {
    let number = state.registry.role(role).map(|role| role.number);
    let active = number.and_then(|number| state.rollouts.active_of(number));
    let Some(mut rollout) = active.cloned() else {
        return;
    };
    let has_members = state.registry.role(role).is_some_and(|role| role.taken > 0);
    if rollout.to == approved && rollout.phase != Phase::Undo {
        return;
    }
    if rollout.from == approved && has_members && !rollout.finishes {
        if rollout.phase == Phase::Undo {
            return;
        }
        rollout.pause = None;
        rollout.enter(Phase::Undo, now);
    } else {
        rollout.end(Outcome::Superseded, now);
    }
    state.rollouts.put(rollout);
}

/// Does what a controller wants of a rollout.
///
/// # Errors
///
/// See [`RolloutError`].
pub(crate) fn control(
    state: &mut State,
    id: RolloutId,
    wish: RolloutControl,
    now: u64,
) -> Result<RolloutInfo, RolloutError> {
    let Some(mut rollout) = state.rollouts.get(id).cloned() else {
        return Err(RolloutError::UnknownRollout { rollout: id });
    };
    let wrong_phase = || RolloutError::WrongPhase {
        phase: format!("{:?}", rollout_info::phase(rollout.phase)),
    };
    let may_be = match wish {
        // Once a newer rollout has begun, the members' releases are its business.
        RolloutControl::Undo { .. } if rollout.phase == Phase::Settle => {
            state.rollouts.is_newest(&rollout)
        }
        // It tries at once to drop the snapshots that it could not drop.
        RolloutControl::Resume if rollout.phase == Phase::Settle => rollout.pause.is_some(),
        _ => rollout.is_active(),
    };
    if !may_be {
        return Err(wrong_phase());
    }
    match wish {
        RolloutControl::Pause => {
            rollout
                .pause
                .get_or_insert_with(|| "a controller paused it".to_string());
        }
        RolloutControl::Resume => {
            rollout.pause = None;
            rollout.walk.not_before = 0;
            rollout.forgiven = rollout.failed;
        }
        RolloutControl::Promote => match rollout.phase {
            Phase::Bake | Phase::Look => {
                rollout.pause = None;
                rollout.enter(Phase::Rest, now);
            }
            _ => return Err(wrong_phase()),
        },
        RolloutControl::Abort => {
            rollout.end(Outcome::Aborted, now);
            let name = state.registry.role_name(rollout.role).to_string();
            state
                .registry
                .change_releases(&name, |releases| releases.set_candidate(None));
        }
        RolloutControl::Undo { state: restores } => {
            rollout.pause = None;
            rollout.outcome = None;
            rollout.restores = restores;
            rollout.enter(Phase::Undo, now);
        }
    }
    state.rollouts.put(rollout.clone());
    Ok(rollout_info::info(state, &rollout, now))
}

/// The rollouts of a role, as its attribute says.
pub(super) fn config(state: &State, role: &str) -> RolloutConfig {
    let named = state.config.roles.iter().find(|known| known.name == role);
    named.map_or(DEFAULT_ROLLOUT, |known| known.rollout)
}

/// A plan without contradictions. The macros have the same rules for `rollout(..)`.
fn checked(plan: &RolloutPlan) -> Result<rollout::RolloutPlan, RolloutError> {
    let share = |share: Share| match share {
        Share::Members(_) => true,
        Share::Percent(percent) => (1..=100).contains(&percent),
    };
    let wrong = if plan.canary == Share::Members(0) || !share(plan.canary) {
        "`canary` is at least one member, or 1 to 100 percent"
    } else if !(1..=MAX_CONCURRENT).contains(&plan.concurrent) {
        "`concurrent` is 1 to 50"
    } else if !share(plan.max_failures) {
        "`max_failures` is a number of members, or 1 to 100 percent"
    } else if !(1..=MAX_HEALTH_TIMEOUT).contains(&plan.health_timeout) {
        "`health_timeout` is at least a second, and at most a day"
    } else if plan.bake > MAX_WAIT {
        "`bake` is at most 30 days"
    } else if plan.keep > MAX_WAIT {
        "`keep` is at most 30 days"
    } else if plan.keep > 0 && plan.snapshots == Snapshots::None {
        "`keep` needs snapshots: `snapshots` is `Canary` or `All`"
    } else {
        return Ok(rollout::RolloutPlan::from(plan));
    };
    Err(RolloutError::InvalidPlan {
        reason: wrong.to_string(),
    })
}

fn named_canaries(state: &State, role: u16, named: &[Principal]) -> Result<Vec<Id>, RolloutError> {
    if named.len() > MAX_NAMED {
        return Err(RolloutError::InvalidPlan {
            reason: format!("{} canaries are named, {MAX_NAMED} at most", named.len()),
        });
    }
    let mut canaries: Vec<Id> = Vec::new();
    for canister in named {
        let member = state.registry.member(*canister);
        if member.is_none_or(|member| member.role != role) {
            let canister = *canister;
            return Err(RolloutError::NotAMember { canister });
        }
        if !canaries.contains(&Id(*canister)) {
            canaries.push(Id(*canister));
        }
    }
    Ok(canaries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{RoleConfig, RootConfig},
        root::steps::tests::{BARE, ROOT, WORKER, add_member, state_of},
    };

    const PLAN: RolloutPlan = RolloutPlan {
        canary: Share::Percent(5),
        bake: 7,
        ..DEFAULT_ROLLOUT.plan
    };

    static PLANNED: RootConfig = RootConfig {
        roles: &[RoleConfig {
            rollout: RolloutConfig {
                plan: PLAN,
                manual: false,
            },
            ..RoleConfig::open("worker")
        }],
        ..BARE
    };

    /// A role with a member and a candidate.
    fn planned() -> State {
        let mut state = state_of(&PLANNED);
        for (wasm, members) in [(b"\0asm1", 1), (b"\0asm2", 0)] {
            let module = state.modules.embed(wasm);
            state.approve("worker", module, 0);
            for _ in 0..members {
                add_member(&mut state, WORKER, "worker", ROOT, None);
            }
        }
        state
    }

    fn request(plan: Option<RolloutPlan>) -> RolloutRequest {
        RolloutRequest {
            role: "worker".to_string(),
            release: None,
            plan,
            canaries: None,
        }
    }

    #[test]
    fn a_request_without_a_plan_has_the_one_of_the_role() {
        let own = RolloutPlan { bake: 8, ..PLAN };
        for (plan, used) in [(None, PLAN), (Some(own), own)] {
            let mut state = planned();
            let id = start(&mut state, &request(plan), 0).unwrap();
            let rollout = state.rollouts.get(id).unwrap();
            assert_eq!(RolloutPlan::from(&rollout.plan), used);
        }
    }

    #[test]
    fn a_plan_has_limits_and_they_are_allowed_themselves() {
        let widest = RolloutPlan {
            canary: Share::Percent(100),
            bake: 30 * DAY,
            concurrent: 50,
            max_failures: Share::Percent(100),
            health_timeout: DAY,
            keep: 30 * DAY,
            ..PLAN
        };
        assert!(checked(&widest).is_ok());
        assert!(checked(&DEFAULT_ROLLOUT.plan).is_ok());
        for wrong in [
            RolloutPlan {
                bake: 30 * DAY + 1,
                ..PLAN
            },
            RolloutPlan {
                keep: u64::MAX,
                ..PLAN
            },
            RolloutPlan {
                health_timeout: DAY + 1,
                ..PLAN
            },
            RolloutPlan {
                health_timeout: 0,
                ..PLAN
            },
            RolloutPlan {
                max_failures: Share::Percent(0),
                ..PLAN
            },
            RolloutPlan {
                keep: 1,
                snapshots: Snapshots::None,
                ..PLAN
            },
        ] {
            let mut state = planned();
            let refused = start(&mut state, &request(Some(wrong)), 0);
            let is_plan = matches!(refused, Err(RolloutError::InvalidPlan { .. }));
            assert!(is_plan, "{wrong:?}");
            assert_eq!(state.rollouts.open_ones().count(), 0, "nothing is begun");
        }
    }
}
