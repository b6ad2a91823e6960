//! The upgrade of one member to another release, and the way back.
//!
//! The module that the canister runs says how far an upgrade is, so that root can take up one that
//! was cut off anywhere: it reads the canister's status, and takes the step that is missing.
//!
//! ```text
//! forward  Verify ─ Fund? ─ Stop ─ TakeSnapshot? ─ Upgrade ─ Start ─ Health ─ Accept ─ Done
//! back     Verify ─ Stop ─ Fund? ─ Restore or Upgrade ─ Start ─ Verify ─ DropSnapshot? ─ Reverted
//! stay     Verify ─ Start ─ Verify ─ Abandoned
//! ```
//!
//! Until root accepts the new code, the member is on probation, and rejects updates. So nothing
//! that a caller was promised is lost on the way back. Once `accepted` is on record there is none.
//!
//! For the same reason root does not depend on the new code to go back: if its
//! `canister_pre_upgrade` refuses, root upgrades without it. Where root can put neither release in
//! place, it starts the member with what it has.

use crate::{
    api::Health,
    operation::{
        End, Job, Operation, Purpose, Step, UpgradePlan, UpgradeState, Way,
        call::{Failure, Look, Outcome, Reply, Run},
        drain,
        teardown::{self, MAX_CALLS, Resources},
        transition::{MAX_ATTEMPTS, Transition, backoff},
    },
    stable::record::Cycles,
};

/// Tries to stop a member before root gives up: each takes the platform five minutes at most.
const MAX_STOPS: u32 = 3;

/// Nanoseconds between two questions for a member's health at least: one second.
const HEALTH_INTERVAL: u64 = 1_000_000_000;

/// Questions for a member's health at most, within the time that the plan gives it. They count as
/// calls of the operation, of which there are [`MAX_CALLS`].
const MAX_QUESTIONS: u64 = 50;

impl UpgradeState {
    /// A job of which no step is done, on a member with this snapshot.
    pub(crate) fn new(job: Job, snapshot: Option<Vec<u8>>) -> Self {
        Self {
            way: match job {
                Job::Restore => Way::Back,
                Job::Upgrade | Job::Look | Job::Undo | Job::DropSnapshot => Way::Forward,
            },
            snapshot,
            deadline: None,
            installed: job == Job::Restore,
            accepted: false,
            end: (job == Job::DropSnapshot).then_some(End::Done),
            stopped_since: None,
            stopped: 0,
            has_new: false,
            forced: false,
            owes_accept: false,
        }
    }
}

/// Decides after `canister_status`.
pub(crate) fn after_verify(op: &mut Operation, reply: Reply, resources: &Resources) -> Transition {
    let status = match reply {
        Reply::Look(status) => status,
        other => return teardown::ask_again(op, other).unwrap_or_else(|why| abandon(op, why)),
    };
    if op.retry.calls >= MAX_CALLS && may_give_up(op) {
        give_up(op, "its upgrade took too many calls");
    }
    op.money.held = Cycles(status.cycles);
    note_run(op, status.run == Run::Stopped);
    let Some((plan, way)) = parts(op).map(|(plan, state)| (plan.clone(), state.way)) else {
        return abandon(op, "its record has no plan of an upgrade".to_string());
    };
    state(op).has_new = status.module == Some(plan.to.module);
    match way {
        Way::Forward => forward(op, &plan, &status, resources),
        Way::Back => back(op, &plan, &status, resources),
        Way::Stay => stay(op, &status),
    }
}

/// The missing step on the way to the new release.
fn forward(
    op: &mut Operation,
    plan: &UpgradePlan,
    status: &Look,
    resources: &Resources,
) -> Transition {
    if status.module == Some(plan.to.module) {
        let state = state(op);
        state.installed = true;
        let accepted = state.accepted;
        return match status.run {
            Run::Running if accepted => go(op, Step::Accept),
            Run::Running => ask_for_health(op),
            Run::Stopping | Run::Stopped => go(op, Step::Start),
        };
    }
    if status.module != Some(plan.from.module) {
        let release = plan.from.number;
        return turn_back(op, format!("it does not run its release {release}"));
    }
    let lacking = lacking(status, resources);
    if lacking > resources.available {
        let why = format!(
            "it lacks {lacking} cycles for an upgrade, and root may give it {} now",
            resources.available
        );
        return turn_back(op, why);
    }
    op.money.reserve_shortfall(lacking);
    if lacking > 0 {
        return go(op, Step::Fund);
    }
    match status.run {
        Run::Running | Run::Stopping => go(op, Step::Stop),
        Run::Stopped => after_stop(op),
    }
}

/// The cycles that a member lacks for an install, which the platform takes in advance.
fn lacking(status: &Look, resources: &Resources) -> u128 {
    let liquid = status.cycles.saturating_sub(status.frozen);
    let missing = status.frozen.saturating_sub(status.cycles);
    match drain::loan(liquid, resources.creation_fee) {
        0 => 0,
        loan => loan + missing,
    }
}

/// The missing step on the way back to the old release.
fn back(
    op: &mut Operation,
    plan: &UpgradePlan,
    status: &Look,
    resources: &Resources,
) -> Transition {
    if plan.job == Job::Look {
        return end(op, End::Untouched);
    }
    let was_installed = state(op).installed;
    let has_new = status.module == Some(plan.to.module);
    match status.run {
        Run::Running if has_new => go(op, Step::Stop),
        Run::Stopping if has_new => go(op, Step::Stop),
        Run::Stopped if has_new => {
            let lacking = lacking(status, resources);
            if lacking == 0 || lacking > resources.available {
                return undo(op);
            }
            op.money.reserve_shortfall(lacking);
            go(op, Step::Fund)
        }
        Run::Running if status.module == Some(plan.from.module) && was_installed => {
            end(op, End::Reverted)
        }
        Run::Running => end(op, End::Untouched),
        Run::Stopping | Run::Stopped => go(op, Step::Start),
    }
}

/// The missing step of a member that root only starts.
fn stay(op: &mut Operation, status: &Look) -> Transition {
    match status.run {
        Run::Running => Transition::Close(End::Abandoned),
        Run::Stopping | Run::Stopped => go(op, Step::Start),
    }
}

/// Decides after a step of an upgrade but `canister_status`.
pub(crate) fn after_step(op: &mut Operation, reply: Reply) -> Transition {
    // While a snapshot can't be dropped, the pauses grow, although root sees it in between.
    let drops = op.step == Step::FindSnapshot && state(op).end.is_some();
    if !matches!(reply, Reply::Failed(_)) && !drops {
        op.retry.attempts = 0;
        if matches!(op.step, Step::Stop | Step::Start) {
            note_run(op, op.step == Step::Stop);
        }
    }
    if op.step == Step::Start && state(op).way == Way::Stay {
        return after_last_start(op, reply);
    }
    match (op.step, reply) {
        (Step::Health, reply) => after_health(op, reply),
        // A list changes nothing, and an accepted member stays accepted.
        (Step::FindSnapshot | Step::Accept, Reply::Failed(failure)) => retry_forever(op, failure),
        (Step::Accept, _) => {
            let state = state(op);
            state.owes_accept = false;
            let ended = state.end.take().unwrap_or(End::Done);
            end(op, ended)
        }
        (Step::DropSnapshot, reply) => after_drop(op, reply),
        (Step::FindSnapshot, Reply::Snapshots(all)) => after_search(op, all),
        (_, Reply::Failed(failure)) => after_failure(op, failure),
        (Step::TakeSnapshot, Reply::Snapshot(id)) => {
            state(op).snapshot = Some(id);
            go(op, Step::Upgrade)
        }
        (Step::Stop, _) if state(op).way == Way::Forward => after_stop(op),
        // On the way back root looks whether the member can pay for it.
        (Step::Stop, _) => go(op, Step::Verify),
        (Step::Upgrade | Step::Restore, _) => {
            let state = state(op);
            state.installed = true;
            state.has_new = state.way == Way::Forward;
            go(op, Step::Start)
        }
        (Step::Start, _) if state(op).way == Way::Forward => ask_for_health(op),
        (_, _) => go(op, Step::Verify),
    }
}

/// A stopped member with its old release gets the new one, after its snapshot.
fn after_stop(op: &mut Operation) -> Transition {
    let takes_one =
        parts(op).is_some_and(|(plan, state)| plan.snapshot && state.snapshot.is_none());
    go(
        op,
        if takes_one {
            Step::TakeSnapshot
        } else {
            Step::Upgrade
        },
    )
}

/// A stopped member with the new release gets its old one: with its state if root has a snapshot.
fn undo(op: &mut Operation) -> Transition {
    let has_snapshot = state(op).snapshot.is_some();
    go(
        op,
        if has_snapshot {
            Step::Restore
        } else {
            Step::Upgrade
        },
    )
}

fn ask_for_health(op: &mut Operation) -> Transition {
    let timeout = parts(op).map_or(0, |(plan, _)| plan.health_timeout);
    let now = op.updated;
    state(op).deadline.get_or_insert(now + timeout);
    go(op, Step::Health)
}

/// Decides after `canic_health`. A member whose `health` says no, or traps, is rolled back; one
/// that has not started, or does not answer, is asked again until its time is over.
fn after_health(op: &mut Operation, reply: Reply) -> Transition {
    let why = match reply {
        Reply::Health(Health::Healthy) => {
            // From now on the new code stays, whatever becomes of the call that tells the member.
            state(op).accepted = true;
            return go(op, Step::Accept);
        }
        Reply::Health(Health::Unhealthy(reason)) => {
            return turn_back(op, format!("it is not healthy: {reason}"));
        }
        Reply::Health(Health::Starting(reason)) => format!("`start` has not ended: {reason}"),
        Reply::Failed(failure) if failure.by_canister => {
            return turn_back(op, format!("`health` failed: {}", failure.reason));
        }
        Reply::Failed(failure) => failure.reason,
        other => format!("{other:?} is no answer"),
    };
    let now = op.updated;
    if state(op).deadline.is_some_and(|deadline| deadline <= now) {
        return turn_back(op, format!("it was not healthy in time: {why}"));
    }
    op.failure = Some(why);
    let timeout = parts(op).map_or(0, |(plan, _)| plan.health_timeout);
    Transition::Later(HEALTH_INTERVAL.max(timeout / MAX_QUESTIONS))
}

/// Decides after `start_canister`, when neither release can be put in place. Root goes on until the
/// member runs, or can't be seen any more.
fn after_last_start(op: &mut Operation, reply: Reply) -> Transition {
    op.step = Step::Verify;
    match reply {
        Reply::Failed(_) => Transition::Later(backoff(MAX_ATTEMPTS)),
        _ => Transition::Call,
    }
}

/// Decides after `list_canister_snapshots`. While root looks for the snapshot that it took, that is
/// the one that was taken after the operation began. While root drops it, it may be gone already.
fn after_search(op: &mut Operation, all: Vec<(Vec<u8>, u64)>) -> Transition {
    if let Some(end) = state(op).end {
        let dropped = state(op).snapshot.clone();
        if all.iter().any(|(id, _)| Some(id) == dropped.as_ref()) {
            return go(op, Step::DropSnapshot);
        }
        state(op).snapshot = None;
        return Transition::Close(end);
    }
    let taken = all.into_iter().filter(|(_, at)| *at >= op.accepted);
    state(op).snapshot = taken.max_by_key(|(_, at)| *at).map(|(id, _)| id);
    go(op, Step::Verify)
}

/// Decides after `delete_canister_snapshot`, the last step. The platform refuses it while the
/// member is frozen. Its snapshot then stays on record, for its rollout to drop later.
fn after_drop(op: &mut Operation, reply: Reply) -> Transition {
    match reply {
        Reply::Failed(failure) => {
            let is_refused = failure.outcome != Outcome::Unknown && !failure.transient;
            if is_refused && op.retry.attempts + 1 >= MAX_ATTEMPTS {
                return leave_snapshot(op, &failure.reason);
            }
            op.step = Step::FindSnapshot;
            retry_forever(op, failure)
        }
        _ => {
            state(op).snapshot = None;
            let end = state(op).end.unwrap_or(End::Untouched);
            Transition::Close(end)
        }
    }
}

/// Ends the operation although the snapshot is still there. The member is as the operation's end
/// says, unless the operation had nothing else to do.
fn leave_snapshot(op: &mut Operation, why: &str) -> Transition {
    note(op, &format!("its snapshot could not be dropped: {why}"));
    let drops_only = parts(op).is_none_or(|(plan, _)| plan.job == Job::DropSnapshot);
    let end = state(op).end.filter(|_| !drops_only);
    Transition::Close(end.unwrap_or(End::Abandoned))
}

/// Decides after a call that failed, whose step changes the canister.
fn after_failure(op: &mut Operation, failure: Failure) -> Transition {
    let (step, way) = (op.step, state(op).way);
    op.retry.attempts += 1;
    let attempts = op.retry.attempts;
    let limit = if step == Step::Stop {
        MAX_STOPS
    } else {
        MAX_ATTEMPTS
    };
    if attempts < limit && failure.outcome == Outcome::Unknown {
        op.failure = Some(failure.reason);
        op.step = if step == Step::TakeSnapshot {
            Step::FindSnapshot
        } else {
            Step::Verify
        };
        return Transition::Later(backoff(attempts));
    }
    if attempts < limit && (failure.transient || matches!(step, Step::Stop | Step::Start)) {
        op.failure = Some(failure.reason);
        return Transition::Later(backoff(attempts));
    }
    let reason = format!("{step:?} failed: {}", failure.reason);
    match way {
        Way::Forward => turn_back(op, reason),
        // A member that can't be lent the cycles may have enough all the same.
        Way::Back if step == Step::Fund => {
            op.money.reserve_shortfall(0);
            undo(op)
        }
        Way::Back if step == Step::Restore => {
            // The old code at least, on the state that there is.
            note(op, &reason);
            go(op, Step::Upgrade)
        }
        Way::Back if step == Step::Upgrade && may_be_forced(op) => {
            note(op, &reason);
            op.retry.attempts = 0;
            state(op).forced = true;
            go(op, Step::Upgrade)
        }
        Way::Back => {
            give_up(op, &reason);
            go(op, Step::Verify)
        }
        Way::Stay => abandon(op, reason),
    }
}

/// Whether root may put the old module back without asking the new code. On probation that code has
/// promised nothing to anybody. Code that was accepted before is asked.
fn may_be_forced(op: &Operation) -> bool {
    parts(op)
        .is_some_and(|(plan, state)| !state.forced && matches!(plan.job, Job::Upgrade | Job::Undo))
}

/// Decides where to take up an upgrade whose last call was cut off.
pub(crate) fn resume(op: &mut Operation) {
    op.step = match op.step {
        Step::Fund => {
            op.money.unconfirmed = op.money.shortfall;
            Step::Verify
        }
        Step::TakeSnapshot => Step::FindSnapshot,
        // Root repeats these: a second call changes nothing.
        Step::FindSnapshot | Step::Health | Step::Accept | Step::DropSnapshot => op.step,
        _ => Step::Verify,
    };
}

/// Whether root has not given both ways up yet.
pub(crate) fn may_give_up(op: &Operation) -> bool {
    op.upgrade
        .as_ref()
        .is_some_and(|state| state.way != Way::Stay)
}

/// Notes whether the member is stopped, and for how long it was.
fn note_run(op: &mut Operation, is_stopped: bool) {
    let now = op.updated;
    let state = state(op);
    match state.stopped_since {
        None if is_stopped => state.stopped_since = Some(now),
        Some(since) if !is_stopped => {
            state.stopped += now.saturating_sub(since);
            state.stopped_since = None;
        }
        _ => {}
    }
}

/// Gives the new release up. Root goes back from wherever the member is.
pub(crate) fn turn_back(op: &mut Operation, reason: String) -> Transition {
    op.failure = Some(reason);
    op.retry.attempts = 0;
    op.money.reserve_shortfall(0);
    state(op).way = Way::Back;
    go(op, Step::Verify)
}

/// Gives both ways up. Root only starts the member.
pub(crate) fn give_up(op: &mut Operation, reason: &str) {
    note(op, reason);
    op.retry.attempts = 0;
    op.money.reserve_shortfall(0);
    state(op).way = Way::Stay;
}

/// Adds a reason to those on record.
fn note(op: &mut Operation, reason: &str) {
    op.failure = Some(match op.failure.take() {
        Some(before) => format!("{before}; {reason}"),
        None => reason.to_string(),
    });
}

/// Ends an operation with which root got nowhere. The member stays a member.
fn abandon(op: &mut Operation, reason: String) -> Transition {
    note(op, &reason);
    Transition::Close(End::Abandoned)
}

/// Ends the operation, after the snapshot is dropped that nobody needs any more. A member that was
/// accepted keeps its snapshot until its rollout ends.
fn end(op: &mut Operation, end: End) -> Transition {
    let looks = parts(op).is_some_and(|(plan, _)| plan.job == Job::Look);
    let state = state(op);
    if end == End::Untouched && state.owes_accept {
        // The member keeps its code, which root has accepted long ago.
        state.end = Some(end);
        return go(op, Step::Accept);
    }
    if looks || state.snapshot.is_none() || end == End::Done {
        return Transition::Close(end);
    }
    state.end = Some(end);
    go(op, Step::DropSnapshot)
}

/// Tries the step again, with pauses of up to a minute, as often as an operation may call.
fn retry_forever(op: &mut Operation, failure: Failure) -> Transition {
    op.retry.attempts += 1;
    if op.retry.calls >= MAX_CALLS {
        let reason = format!("{:?} failed: {}", op.step, failure.reason);
        if op.step == Step::Accept {
            return abandon(op, reason);
        }
        if state(op).end.is_some() {
            return leave_snapshot(op, &reason);
        }
        give_up(op, &reason);
        return go(op, Step::Verify);
    }
    op.failure = Some(failure.reason);
    Transition::Later(backoff(op.retry.attempts))
}

/// Goes on with another step. The count of attempts goes on, too, until a step succeeds.
fn go(op: &mut Operation, step: Step) -> Transition {
    op.step = step;
    Transition::Call
}

fn state(op: &mut Operation) -> &mut UpgradeState {
    op.upgrade
        .get_or_insert_with(|| UpgradeState::new(Job::Upgrade, None))
}

fn parts(op: &Operation) -> Option<(&UpgradePlan, &UpgradeState)> {
    match (&op.purpose, &op.upgrade) {
        (Purpose::Upgrade(_, plan), Some(state)) => Some((plan, state)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        operation::{Position, Release, machine, recovery},
        stable::record::Id,
    };
    use candid::Principal;

    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    const MEMBER: Principal = Principal::from_slice(&[9, 1]);
    const OLD: Release = Release {
        number: 1,
        module: [1; 32],
    };
    const NEW: Release = Release {
        number: 2,
        module: [2; 32],
    };
    const T: u128 = 1_000_000_000_000;
    const SECOND: u64 = 1_000_000_000;

    fn upgrade(snapshot: bool) -> Operation {
        operation(Job::Upgrade, snapshot)
    }

    fn operation(job: Job, snapshot: bool) -> Operation {
        let plan = UpgradePlan {
            rollout: 1,
            from: OLD,
            to: NEW,
            snapshot,
            health_timeout: 10 * SECOND,
            job,
        };
        let purpose = Purpose::Upgrade(Position::sample(ROOT), plan);
        let mut op = Operation::new(1, purpose, Step::Verify, SECOND);
        op.canister = Some(Id(MEMBER));
        op.upgrade = Some(UpgradeState::new(job, None));
        op
    }

    /// A member as the platform has it.
    #[derive(Clone, Debug)]
    struct Canister {
        run: Run,
        module: [u8; 32],
        cycles: u128,
        snapshots: Vec<(Vec<u8>, u64)>,
        /// Whether the state is the one that the old release left.
        old_state: bool,
        probation: bool,
        health: Result<Health, Failure>,
        /// Whether the new code refuses its upgrade.
        refuses: bool,
        /// Whether the new code refuses to be left.
        clings: bool,
        now: u64,
    }

    impl Canister {
        fn new(health: Result<Health, Failure>) -> Self {
            Self {
                run: Run::Running,
                module: OLD.module,
                cycles: T,
                snapshots: Vec::new(),
                old_state: true,
                probation: false,
                health,
                refuses: false,
                clings: false,
                now: SECOND,
            }
        }

        /// Applies the call of a step.
        fn apply(&mut self, op: &Operation) -> Reply {
            let refused = || Reply::Failed(Failure::of_management(5, "refused"));
            match op.step {
                Step::Verify => {
                    return Reply::Look(Look {
                        run: self.run,
                        module: Some(self.module),
                        cycles: self.cycles,
                        frozen: 0,
                    });
                }
                Step::Fund => self.cycles += op.money.shortfall.0,
                Step::Stop => self.run = Run::Stopped,
                Step::Start => self.run = Run::Running,
                Step::Upgrade if op.upgrade.as_ref().unwrap().way == Way::Forward => {
                    assert_eq!(self.run, Run::Stopped, "only a stopped member is upgraded");
                    if self.refuses {
                        return refused();
                    }
                    (self.module, self.probation, self.old_state) = (NEW.module, true, false);
                }
                Step::Upgrade => {
                    assert_eq!(self.run, Run::Stopped);
                    if self.clings && !op.upgrade.as_ref().unwrap().forced {
                        return refused();
                    }
                    assert!(self.probation, "nothing acknowledged is undone");
                    (self.module, self.probation) = (OLD.module, false);
                }
                Step::TakeSnapshot => {
                    assert_eq!((self.run, self.module), (Run::Stopped, OLD.module));
                    let id = vec![self.snapshots.len() as u8 + 1];
                    self.snapshots.push((id.clone(), self.now));
                    return Reply::Snapshot(id);
                }
                Step::FindSnapshot => return Reply::Snapshots(self.snapshots.clone()),
                Step::Restore => {
                    assert!(self.probation, "nothing acknowledged is undone");
                    let id = op.upgrade.as_ref().unwrap().snapshot.as_ref().unwrap();
                    assert!(self.snapshots.iter().any(|(one, _)| one == id));
                    (self.module, self.probation, self.old_state) = (OLD.module, false, true);
                }
                Step::DropSnapshot => {
                    let id = op.upgrade.as_ref().unwrap().snapshot.as_ref().unwrap();
                    self.snapshots.retain(|(one, _)| one != id);
                }
                Step::Health => {
                    assert_eq!((self.run, self.module), (Run::Running, NEW.module));
                    return match &self.health {
                        Ok(health) => Reply::Health(health.clone()),
                        Err(failure) => Reply::Failed(failure.clone()),
                    };
                }
                Step::Accept => self.probation = false,
                step => panic!("{step:?} is no step of an upgrade"),
            }
            Reply::Done
        }
    }

    /// Runs an operation to its end. `fault` may replace the reply to a step, before or after the
    /// call was applied, or cut root off (`None`).
    fn run(
        op: &mut Operation,
        canister: &mut Canister,
        mut fault: impl FnMut(Step) -> Option<Fault>,
    ) -> (End, Vec<Step>) {
        let resources = Resources {
            pool_has_capacity: true,
            available: T,
            creation_fee: T / 2,
        };
        let mut steps = Vec::new();
        loop {
            let next = match recovery::resume(op) {
                Transition::Call => {
                    steps.push(op.step);
                    op.retry.calls += 1;
                    canister.now += SECOND;
                    op.updated = canister.now;
                    let fault = fault(op.step);
                    let reply = match &fault {
                        Some(Fault { applied: false, .. }) => Reply::Done,
                        _ => canister.apply(op),
                    };
                    match fault {
                        Some(Fault { cut_off: true, .. }) => {
                            op.in_flight = true;
                            continue;
                        }
                        Some(Fault { code, .. }) => {
                            let failure = Failure::of_management(code, "a fault");
                            machine::advance(op, Reply::Failed(failure), &resources)
                        }
                        None => machine::advance(op, reply, &resources),
                    }
                }
                other => other,
            };
            match next {
                Transition::Call => {}
                Transition::Later(pause) => canister.now += pause,
                Transition::Close(end) => return (end, steps),
            }
            assert!(steps.len() < 2_000, "it goes on: {steps:?}");
        }
    }

    #[derive(Clone, Copy, Debug)]
    struct Fault {
        applied: bool,
        cut_off: bool,
        code: u32,
    }

    const REJECTED: Fault = Fault {
        applied: false,
        cut_off: false,
        code: 5,
    };

    #[test]
    fn a_member_without_a_snapshot_takes_four_calls_of_the_platform() {
        use Step::{Accept, Health, Start, Stop, Upgrade, Verify};
        let mut canister = Canister::new(Ok(super::Health::Healthy));
        let (end, steps) = run(&mut upgrade(false), &mut canister, |_| None);
        assert_eq!(end, End::Done);
        assert_eq!(steps, [Verify, Stop, Upgrade, Start, Health, Accept]);
        assert_eq!((canister.module, canister.probation), (NEW.module, false));
    }

    #[test]
    fn a_member_that_is_accepted_keeps_its_snapshot() {
        use Step::{Accept, Health, Start, Stop, TakeSnapshot, Upgrade, Verify};
        let mut op = upgrade(true);
        let mut canister = Canister::new(Ok(super::Health::Healthy));
        let (end, steps) = run(&mut op, &mut canister, |_| None);
        assert_eq!(end, End::Done);
        let expected = [Verify, Stop, TakeSnapshot, Upgrade, Start, Health, Accept];
        assert_eq!(steps, expected);
        assert_eq!(op.upgrade.unwrap().snapshot, Some(vec![1]));
    }

    #[test]
    fn an_unhealthy_member_gets_its_state_back_where_root_has_a_snapshot() {
        let trap = Failure::of_canister(5, "it trapped");
        for health in [Ok(Health::Unhealthy("no".to_string())), Err(trap)] {
            let mut canister = Canister::new(health.clone());
            let (end, steps) = run(&mut upgrade(true), &mut canister, |_| None);
            assert_eq!(end, End::Reverted);
            assert!(steps.contains(&Step::Restore));
            assert_eq!((canister.module, canister.run), (OLD.module, Run::Running));
            assert!(canister.old_state && canister.snapshots.is_empty());
            let mut canister = Canister::new(health);
            let mut op = upgrade(false);
            assert_eq!(run(&mut op, &mut canister, |_| None).0, End::Reverted);
            assert_eq!((canister.module, canister.run), (OLD.module, Run::Running));
            assert!(!op.failure.unwrap().is_empty());
        }
    }

    #[test]
    fn a_member_that_does_not_start_in_time_is_rolled_back() {
        let mut canister = Canister::new(Ok(Health::Starting("try 3".to_string())));
        let mut op = upgrade(false);
        let (end, steps) = run(&mut op, &mut canister, |_| None);
        assert_eq!(end, End::Reverted);
        let asked = steps.iter().filter(|step| **step == Step::Health).count();
        assert!((3..10).contains(&asked), "{asked} times in ten seconds");
        assert!(op.failure.unwrap().contains("try 3"));
    }

    #[test]
    fn a_refused_upgrade_leaves_the_member_as_it_was_and_running() {
        let mut canister = Canister::new(Ok(Health::Healthy));
        canister.refuses = true;
        let mut op = upgrade(true);
        assert_eq!(run(&mut op, &mut canister, |_| None).0, End::Untouched);
        assert_eq!((canister.module, canister.run), (OLD.module, Run::Running));
        assert!(canister.old_state && canister.snapshots.is_empty());
        assert!(op.failure.unwrap().contains("refused"));
    }

    #[test]
    fn new_code_that_refuses_to_be_left_is_not_asked_again() {
        let mut canister = Canister::new(Ok(Health::Unhealthy("no".to_string())));
        canister.clings = true;
        let mut op = upgrade(false);
        assert_eq!(run(&mut op, &mut canister, |_| None).0, End::Reverted);
        assert_eq!((canister.module, canister.run), (OLD.module, Run::Running));
        // Code that was accepted has served since, and is asked.
        let mut op = operation(Job::Restore, true);
        op.upgrade = Some(UpgradeState::new(Job::Restore, Some(vec![1])));
        canister.snapshots = vec![(vec![1], 0)];
        canister.module = NEW.module;
        let restores = |step| (step == Step::Restore).then_some(REJECTED);
        let (end, _) = run(&mut op, &mut canister, restores);
        assert_eq!((end, canister.run), (End::Abandoned, Run::Running));
        assert!(op.upgrade.unwrap().has_new);
    }

    #[test]
    fn a_member_that_root_gives_up_runs_and_root_knows_what() {
        let mut canister = Canister::new(Ok(Health::Unhealthy("no".to_string())));
        let mut op = upgrade(false);
        let mut upgrades = 0;
        let (end, _) = run(&mut op, &mut canister, |step| {
            upgrades += u32::from(step == Step::Upgrade);
            (step == Step::Upgrade && upgrades > 1).then_some(REJECTED)
        });
        assert_eq!((end, canister.run), (End::Abandoned, Run::Running));
        assert_eq!(canister.module, NEW.module);
        assert!(op.upgrade.unwrap().has_new);
    }

    #[test]
    fn a_long_time_for_health_takes_no_more_questions_than_an_operation_may_ask() {
        let mut canister = Canister::new(Ok(Health::Starting("not yet".to_string())));
        let mut op = upgrade(false);
        if let Purpose::Upgrade(_, plan) = &mut op.purpose {
            plan.health_timeout = 86_400 * SECOND;
        }
        let (end, steps) = run(&mut op, &mut canister, |_| None);
        assert_eq!((end, canister.module), (End::Reverted, OLD.module));
        let asked = steps.iter().filter(|step| **step == Step::Health).count() as u64;
        assert!(asked <= MAX_QUESTIONS + 1, "{asked}");
        assert!(canister.now > 86_400 * SECOND);
    }

    #[test]
    fn a_member_is_started_whatever_it_takes() {
        let mut canister = Canister::new(Ok(Health::Healthy));
        canister.refuses = true;
        let mut starts = 0;
        let (end, _) = run(&mut upgrade(false), &mut canister, |step| {
            starts += u32::from(step == Step::Start);
            (step == Step::Start && starts < 300).then_some(REJECTED)
        });
        assert_eq!((end, canister.run), (End::Abandoned, Run::Running));
        // Nor is it left stopped if root never learns of its snapshot.
        let mut canister = Canister::new(Ok(Health::Healthy));
        let (end, _) = run(&mut upgrade(true), &mut canister, |step| match step {
            Step::TakeSnapshot => Some(Fault {
                code: 6,
                ..REJECTED
            }),
            Step::FindSnapshot => Some(REJECTED),
            _ => None,
        });
        assert_eq!((end, canister.run), (End::Abandoned, Run::Running));
    }

    #[test]
    fn a_member_that_can_not_pay_for_the_way_back_is_lent_the_cycles() {
        let mut canister = Canister::new(Ok(Health::Unhealthy("no".to_string())));
        let mut op = upgrade(false);
        let mut stops = 0;
        let mut poor = canister.clone();
        let (end, steps) = run(&mut op, &mut poor, |step| {
            stops += u32::from(step == Step::Stop);
            None
        });
        assert_eq!((end, stops), (End::Reverted, 2));
        assert!(!steps.contains(&Step::Fund));
        canister.module = NEW.module;
        canister.probation = true;
        canister.cycles = 7;
        let mut op = upgrade(false);
        op.upgrade.as_mut().unwrap().installed = true;
        let (end, steps) = run(&mut op, &mut canister, |_| None);
        assert_eq!(end, End::Reverted);
        assert_eq!(steps.iter().filter(|step| **step == Step::Fund).count(), 1);
    }

    #[test]
    fn a_member_that_was_accepted_and_not_told_is_told_by_the_next_operation() {
        let mut canister = Canister::new(Ok(Health::Healthy));
        let never = |step| (step == Step::Accept).then_some(REJECTED);
        let mut op = upgrade(false);
        let (end, _) = run(&mut op, &mut canister, never);
        assert_eq!((end, canister.probation), (End::Abandoned, true));
        assert!(op.upgrade.unwrap().accepted);
        // The next release is refused, so the member keeps its code.
        canister.module = OLD.module;
        canister.refuses = true;
        let mut op = upgrade(true);
        op.upgrade.as_mut().unwrap().owes_accept = true;
        let (end, _) = run(&mut op, &mut canister, |_| None);
        assert_eq!((end, canister.probation), (End::Untouched, false));
        assert!(canister.snapshots.is_empty());
    }

    #[test]
    fn pauses_grow_while_a_snapshot_can_not_be_dropped() {
        let mut canister = Canister::new(Ok(Health::Healthy));
        canister.snapshots = vec![(vec![1], 0)];
        let mut op = operation(Job::DropSnapshot, false);
        op.step = Step::DropSnapshot;
        op.upgrade = Some(UpgradeState::new(Job::DropSnapshot, Some(vec![1])));
        let mut refusals = 20;
        let (end, _) = run(&mut op, &mut canister, |step| {
            let fires = step == Step::DropSnapshot && refusals > 0;
            refusals -= u32::from(fires);
            fires.then_some(Fault {
                code: 2,
                ..REJECTED
            })
        });
        assert_eq!((end, canister.snapshots.len()), (End::Done, 0));
        assert!(canister.now > 600 * SECOND, "{}", canister.now / SECOND);
    }

    #[test]
    fn a_snapshot_that_can_not_be_dropped_stays_on_record_and_changes_no_end() {
        let unhealthy = Ok(super::Health::Unhealthy("it is frozen".to_string()));
        // Refused for good, and for a while that does not end.
        let passing = Fault {
            code: 2,
            ..REJECTED
        };
        for ((job, end), (fault, is_final)) in [
            (Job::DropSnapshot, End::Abandoned),
            (Job::Upgrade, End::Reverted),
        ]
        .into_iter()
        .flat_map(|job| [(job, (REJECTED, true)), (job, (passing, false))])
        {
            let mut canister = Canister::new(unhealthy.clone());
            let mut op = operation(job, true);
            if job == Job::DropSnapshot {
                canister.snapshots = vec![(vec![1], 0)];
                op.step = Step::DropSnapshot;
                op.upgrade = Some(UpgradeState::new(job, Some(vec![1])));
            }
            let (ended, steps) = run(&mut op, &mut canister, |step| {
                (step == Step::DropSnapshot).then_some(fault)
            });
            assert_eq!(ended, end);
            let tries = steps.iter().filter(|step| **step == Step::DropSnapshot);
            assert_eq!(tries.count() == MAX_ATTEMPTS as usize, is_final);
            assert_eq!(op.retry.calls >= MAX_CALLS, !is_final);
            assert_eq!(op.upgrade.unwrap().snapshot, Some(vec![1]));
            assert!(op.failure.unwrap().contains("could not be dropped"));
        }
    }

    #[test]
    fn a_deposit_is_never_so_small_that_the_member_burns_it_at_once() {
        let mut canister = Canister::new(Ok(Health::Healthy));
        let price = drain::price(T / 2);
        canister.cycles = price - 1;
        run(&mut upgrade(false), &mut canister, |_| None);
        assert_eq!(canister.cycles, price - 1 + price / 100);
    }

    #[test]
    fn a_member_that_does_not_stop_is_started_again() {
        let mut canister = Canister::new(Ok(Health::Healthy));
        canister.run = Run::Stopping;
        let refused = |step| {
            (step == Step::Stop).then_some(Fault {
                code: 2,
                ..REJECTED
            })
        };
        let (end, steps) = run(&mut upgrade(false), &mut canister, refused);
        assert_eq!((end, canister.run), (End::Untouched, Run::Running));
        let stops = steps.iter().filter(|step| **step == Step::Stop).count();
        assert_eq!(stops as u32, MAX_STOPS);
    }

    #[test]
    fn a_member_with_another_module_is_left_alone() {
        let mut canister = Canister::new(Ok(Health::Healthy));
        canister.module = [3; 32];
        let (end, steps) = run(&mut upgrade(false), &mut canister, |_| None);
        assert_eq!((end, canister.module), (End::Untouched, [3; 32]));
        assert_eq!(steps, [Step::Verify, Step::Verify]);
    }

    #[test]
    fn a_poor_member_gets_the_cycles_that_the_platform_takes_in_advance() {
        let mut canister = Canister::new(Ok(Health::Healthy));
        canister.cycles = 7;
        assert_eq!(
            run(&mut upgrade(false), &mut canister, |_| None).0,
            End::Done
        );
        assert_eq!(canister.cycles, drain::price(T / 2));
    }

    #[test]
    fn a_look_changes_nothing() {
        for healthy in [true, false] {
            let health = if healthy {
                super::Health::Healthy
            } else {
                super::Health::Unhealthy("no".to_string())
            };
            let mut canister = Canister::new(Ok(health));
            canister.module = NEW.module;
            canister.snapshots = vec![(vec![1], 0)];
            let mut op = operation(Job::Look, true);
            op.upgrade = Some(UpgradeState::new(Job::Look, Some(vec![1])));
            let (end, _) = run(&mut op, &mut canister, |_| None);
            assert_eq!(end, if healthy { End::Done } else { End::Untouched });
            assert_eq!((canister.module, canister.snapshots.len()), (NEW.module, 1));
        }
    }

    #[test]
    fn a_restore_brings_the_old_state_back_and_drops_the_snapshot() {
        let mut canister = Canister::new(Ok(super::Health::Healthy));
        canister.module = NEW.module;
        canister.probation = true;
        canister.snapshots = vec![(vec![1], 0)];
        let mut op = operation(Job::Restore, true);
        op.upgrade = Some(UpgradeState::new(Job::Restore, Some(vec![1])));
        assert_eq!(run(&mut op, &mut canister, |_| None).0, End::Reverted);
        assert_eq!((canister.module, canister.run), (OLD.module, Run::Running));
        assert!(canister.old_state && canister.snapshots.is_empty());
    }

    #[test]
    fn a_snapshot_is_dropped_without_a_look_at_the_member() {
        let mut canister = Canister::new(Ok(super::Health::Healthy));
        canister.snapshots = vec![(vec![1], 0)];
        let mut op = operation(Job::DropSnapshot, false);
        op.step = Step::DropSnapshot;
        op.upgrade = Some(UpgradeState::new(Job::DropSnapshot, Some(vec![1])));
        let (end, steps) = run(&mut op, &mut canister, |_| None);
        assert_eq!((end, steps), (End::Done, vec![Step::DropSnapshot]));
        assert!(canister.snapshots.is_empty());
    }

    #[test]
    fn an_accepted_member_is_told_so_until_it_answers_and_never_rolled_back() {
        let mut lost = 100;
        let mut canister = Canister::new(Ok(Health::Healthy));
        let (end, _) = run(&mut upgrade(true), &mut canister, |step| {
            let fires = step == Step::Accept && lost > 0;
            lost -= u32::from(fires);
            fires.then_some(REJECTED)
        });
        assert_eq!((end, lost), (End::Done, 0));
        assert_eq!((canister.module, canister.probation), (NEW.module, false));
    }

    #[test]
    fn the_time_for_which_a_member_is_stopped_is_counted_whoever_notices_it() {
        let mut op = upgrade(false);
        let mut at = |seconds: u64, is_stopped| {
            op.updated = seconds * SECOND;
            note_run(&mut op, is_stopped);
            (state(&mut op).stopped, state(&mut op).stopped_since)
        };
        assert_eq!(at(1, false), (0, None));
        assert_eq!(at(2, true), (0, Some(2 * SECOND)));
        assert_eq!(at(4, true), (0, Some(2 * SECOND)));
        assert_eq!(at(5, false), (3 * SECOND, None));
        at(7, true);
        assert_eq!(at(8, false), (4 * SECOND, None));
    }

    #[test]
    fn whatever_fails_the_member_runs_one_of_the_two_releases_in_the_end() {
        for seed in 0..20_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let health = match rng.u32(..4) {
                0 => Ok(Health::Unhealthy("no".to_string())),
                1 => Ok(Health::Starting("not yet".to_string())),
                _ => Ok(Health::Healthy),
            };
            let mut canister = Canister::new(health);
            canister.refuses = rng.u32(..8) == 0;
            canister.clings = rng.u32(..4) == 0;
            let mut op = upgrade(rng.bool());
            let mut left = rng.u32(..6);
            let (end, steps) = run(&mut op, &mut canister, |_| {
                let fires = left > 0 && rng.u32(..3) == 0;
                left -= u32::from(fires);
                let code = rng.choice([2, 5, 6]).unwrap_or(2);
                fires.then(|| Fault {
                    // By the platform's rules only an unknown outcome may hide an applied call.
                    applied: code == 6 && rng.bool(),
                    cut_off: code == 6 && rng.bool(),
                    code,
                })
            });
            let told = format!("seed {seed}: {end:?} after {steps:?}, {:?}", op.failure);
            let state = op.upgrade.unwrap();
            assert_eq!(canister.run, Run::Running, "{told}");
            if end == End::Abandoned {
                assert_eq!(state.has_new, canister.module == NEW.module, "{told}");
                continue;
            }
            assert!(!canister.probation, "{told}");
            let expected = if end == End::Done { NEW } else { OLD };
            assert_eq!(canister.module, expected.module, "{told}");
            assert_eq!(state.accepted, end == End::Done, "{told}");
            let kept = canister.snapshots.len();
            assert_eq!(
                kept,
                usize::from(end == End::Done && state.snapshot.is_some()),
                "{told}"
            );
        }
    }
}
