//! The operations that rollouts begin on members.

use candid::Principal;

use crate::{
    api::OperationId,
    operation::{
        Admission, Job, Operation, Position, Purpose, Release, Step, UpgradePlan, UpgradeState,
        rollout::{Phase, Rollout, Snapshots, Walk},
    },
    stable::record::Id,
    state::{
        State,
        registry::{Member, MemberStatus, Registry},
    },
};

/// Members that root looks at in one message, on its way through a role.
const MAX_LOOKS: u32 = 500;

/// The mark of a rollout that works backwards, in a member's record.
const UNDO: u32 = 1 << 31;

/// The result of a look for the next member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This operation was put on record.
    Operation(OperationId),
    /// The phase has no member left.
    NoMore,
    /// Root has looked at [`MAX_LOOKS`] members, and goes on in another message.
    Later,
}

/// Puts the operation on the next member of a rollout on record.
pub(crate) fn begin(state: &mut State, rollout: &mut Rollout, now: u64) -> Found {
    for _ in 0..MAX_LOOKS {
        let Some(canister) = next_of_walk(&state.registry, rollout) else {
            rollout.walk.exhausted = true;
            return Found::NoMore;
        };
        let Some(member) = state.registry.member(canister) else {
            continue;
        };
        let Some(job) = job_of(rollout, &member) else {
            continue;
        };
        match member.status {
            MemberStatus::Active if state.open_grant(canister).is_none() => {
                rollout.walk.begun += 1;
                let id = put(state, rollout, canister, member, job, now);
                return Found::Operation(id);
            }
            // It has no state that matters, or is about to have none.
            MemberStatus::Retiring => {}
            MemberStatus::Active
            | MemberStatus::Installing
            | MemberStatus::Moving
            | MemberStatus::Upgrading => {
                rollout.walk.held += 1;
            }
        }
    }
    Found::Later
}

/// The next member on the walk through a role, or among the named canaries.
fn next_of_walk(registry: &Registry, rollout: &mut Rollout) -> Option<Principal> {
    let names = matches!(rollout.phase, Phase::Canary | Phase::Look);
    if names && !rollout.named.is_empty() {
        let at = rollout.walk.at;
        let index = rollout.named.iter().position(|id| Some(*id) == at);
        let next = rollout.named.get(index.map_or(0, |index| index + 1))?;
        rollout.walk.at = Some(*next);
        return Some(next.0);
    }
    let first = rollout.first.0;
    let walk: &mut Walk = &mut rollout.walk;
    if walk.exhausted {
        return None;
    }
    let after = walk.at.map(|id| id.0);
    let next = if walk.wrapped {
        let mut all = registry.of_role(rollout.role, after);
        all.next().filter(|canister| *canister <= first)
    } else {
        let mut all = registry.of_role(rollout.role, after.or(Some(first)));
        match all.next() {
            Some(canister) => Some(canister),
            None => {
                walk.wrapped = true;
                let mut all = registry.of_role(rollout.role, None);
                all.next().filter(|canister| *canister <= first)
            }
        }
    };
    if let Some(canister) = next {
        walk.at = Some(Id(canister));
    }
    next
}

/// Whether open operations are to make members that a rollout, at the end of a phase, would
/// pass over: with another release than the one that members have after it.
pub(crate) fn expects_members(state: &State, rollout: &Rollout) -> bool {
    let role = state.registry.role_name(rollout.role);
    let to = release(state, role, rollout.to).module;
    state.journal.open_operations().any(|op| {
        let is_of_role = op.position().is_some_and(|position| position.role == role);
        let has_release = op.plan().is_some_and(|plan| plan.module == to);
        match rollout.phase {
            Phase::Rest => is_of_role && op.plan().is_some() && !has_release,
            Phase::Undo => is_of_role && has_release,
            _ => false,
        }
    })
}

fn put(
    state: &mut State,
    rollout: &Rollout,
    canister: Principal,
    member: Member,
    job: Job,
    now: u64,
) -> OperationId {
    let role = state.registry.role_name(member.role).to_string();
    let position = Position {
        role,
        parent: member.parent,
        key: member.key,
    };
    let kept = member.snapshot.clone();
    let restored = kept.as_ref().map_or(0, |kept| kept.release);
    let (from, to) = match job {
        Job::Upgrade => (member.release, rollout.to),
        // The record of the snapshot stays as it is, should root have to give up.
        Job::DropSnapshot => (restored, member.release),
        Job::Look => (rollout.to, rollout.to),
        Job::Undo => (member.release, rollout.from),
        Job::Restore => (restored, member.release),
    };
    let plan = UpgradePlan {
        rollout: rollout.id,
        from: release(state, &position.role, from),
        to: release(state, &position.role, to),
        snapshot: job == Job::Upgrade && takes_snapshot(rollout),
        health_timeout: rollout.plan.health_timeout,
        job,
    };
    let id = state.take_operation_id();
    state.registry.change_member(canister, |member| {
        member.status = MemberStatus::Upgrading;
        member.operation = id;
        member.rollout = match job {
            Job::Upgrade | Job::Look => rollout.id,
            Job::Undo | Job::Restore => rollout.id | UNDO,
            // It does not change the member, which is still to be upgraded, or undone.
            Job::DropSnapshot => member.rollout,
        };
    });
    let step = if job == Job::DropSnapshot {
        Step::DropSnapshot
    } else {
        Step::Verify
    };
    let mut op = Operation::new(id, Purpose::Upgrade(position, plan), step, now);
    op.canister = Some(Id(canister));
    op.admission = Admission::Immediate;
    let kept = kept.filter(|_| job != Job::Upgrade && job != Job::Undo);
    let last = state.journal.abandoned(member.operation);
    let last = last.and_then(|last| last.upgrade);
    op.upgrade = Some(UpgradeState {
        owes_accept: last.is_some_and(|last| last.accepted || last.owes_accept),
        ..UpgradeState::new(job, kept.map(|kept| kept.id))
    });
    state.journal.put(op);
    id
}

/// A release of a role. One that root does not know has the number 0, and no module.
fn release(state: &State, role: &str, number: u32) -> Release {
    let role = state.registry.role(role);
    let known = role.and_then(|role| role.releases.get(number));
    known.map_or(
        Release {
            number: 0,
            module: [0; 32],
        },
        Release::from,
    )
}

/// The job that a phase has for a member. `None`: the phase passes it over.
fn job_of(rollout: &Rollout, member: &Member) -> Option<Job> {
    let is_new = member.release == rollout.to;
    let was_touched = member.rollout == rollout.id;
    let was_undone = member.rollout == rollout.id | UNDO;
    match rollout.phase {
        Phase::Canary | Phase::Rest if was_touched => None,
        Phase::Rest if is_new => member.on_probation.then_some(Job::Look),
        Phase::Canary | Phase::Rest => (!is_new).then_some(Job::Upgrade),
        Phase::Look => (is_new && was_touched).then_some(Job::Look),
        Phase::Undo if !is_new || was_undone => None,
        Phase::Undo if rollout.finishes && !was_touched => None,
        Phase::Undo => {
            let has_state = member.snapshot.is_some() && rollout.restores;
            Some(if has_state { Job::Restore } else { Job::Undo })
        }
        // One whose snapshot can't be dropped has been touched, and is not upgraded.
        Phase::Clear if was_touched => None,
        Phase::Clear => member.snapshot.is_some().then_some(Job::DropSnapshot),
        // A newer rollout may have taken snapshots already.
        Phase::Settle => {
            let is_own = was_touched || was_undone;
            (is_own && member.snapshot.is_some()).then_some(Job::DropSnapshot)
        }
        Phase::Bake | Phase::Ended => None,
    }
}

fn takes_snapshot(rollout: &Rollout) -> bool {
    match rollout.plan.snapshots {
        Snapshots::None => false,
        Snapshots::Canary => rollout.phase == Phase::Canary,
        Snapshots::All => true,
    }
}
