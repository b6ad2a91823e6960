//! A rollout: one durable job that brings the members of a role to a release, in phases.
//!
//! ```text
//! Clear ─▶ Canary ─▶ Bake ─▶ Look ─▶ Rest ─▶ Settle ─▶ Ended
//!              └───────┴────────┴───────┴──▶ Undo ─┘
//! ```
//!
//! A rollout keeps a cursor and counts, not one record a member. Root asks [`next`] whenever a
//! rollout begins, one of its upgrades ends, or a time has come.

use candid::Principal;
use minicbor::{Decode, Encode};

use crate::{
    operation::{End, Job},
    stable::record::Id,
};

/// Upgrades of one rollout at once, at most.
pub(crate) const MAX_CONCURRENT: u32 = 50;

/// Failed operations that a rollout's record names.
const MAX_FAILURES: usize = 1_000;

/// Nanoseconds until root looks again for members that another operation held.
const BUSY_PAUSE: u64 = 10_000_000_000;

/// Nanoseconds until root tries again to drop snapshots that the platform refused to drop: one day.
/// It refuses that of a frozen member, which nothing but cycles thaws.
const REFUSED_PAUSE: u64 = 24 * 60 * 60 * 1_000_000_000;

/// A number of members, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Share {
    #[n(0)]
    Members(#[n(0)] u32),
    /// In percent, rounded up to whole members.
    #[n(1)]
    Percent(#[n(0)] u32),
}

impl Share {
    /// The number of members that the share is, of so many.
    pub(crate) fn of(self, members: u32) -> u32 {
        match self {
            Self::Members(number) => number,
            Self::Percent(percent) => {
                let part = u64::from(members) * u64::from(percent);
                u32::try_from(part.div_ceil(100)).unwrap_or(u32::MAX)
            }
        }
    }
}

/// The action of root when a rollout has had more failures than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum OnFailure {
    #[n(0)]
    Pause,
    #[n(1)]
    Undo,
}

/// The members of which root takes a snapshot before it upgrades them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Snapshots {
    #[n(0)]
    None,
    #[n(1)]
    Canary,
    #[n(2)]
    All,
}

/// The plan of a rollout.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct RolloutPlan {
    /// The members that are upgraded first.
    #[n(0)]
    pub(crate) canary: Share,
    /// Nanoseconds between the canaries and the rest.
    #[n(1)]
    pub(crate) bake: u64,
    /// Upgrades at once: [`MAX_CONCURRENT`] at most.
    #[n(2)]
    pub(crate) concurrent: u32,
    /// Failures that the rollout goes on with.
    #[n(3)]
    pub(crate) max_failures: Share,
    #[n(4)]
    pub(crate) on_failure: OnFailure,
    #[n(5)]
    pub(crate) snapshots: Snapshots,
    /// Nanoseconds that the new code has to become healthy.
    #[n(6)]
    pub(crate) health_timeout: u64,
    /// Nanoseconds for which snapshots are kept after the rollout.
    #[n(7)]
    pub(crate) keep: u64,
}

/// A phase of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Phase {
    /// Snapshots of an earlier rollout are dropped.
    #[n(0)]
    Clear,
    /// The canaries are upgraded.
    #[n(1)]
    Canary,
    /// Nothing is begun, until the canaries have served for a while.
    #[n(2)]
    Bake,
    /// The canaries are looked at again.
    #[n(3)]
    Look,
    /// The other members are upgraded.
    #[n(4)]
    Rest,
    /// The members with the new release get the old one again.
    #[n(5)]
    Undo,
    /// The snapshots are dropped, once they have been kept for the time of the plan.
    #[n(6)]
    Settle,
    #[n(7)]
    Ended,
}

/// The way in which a rollout came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Outcome {
    /// All members were looked at, and those that did not fail have the release.
    #[n(0)]
    Completed,
    /// A controller ended it. Members that were upgraded keep the release.
    #[n(1)]
    Aborted,
    /// The members have their old release again.
    #[n(2)]
    Undone,
    /// A rollout of a newer release took its place.
    #[n(3)]
    Superseded,
}

/// The place of a rollout among the members of its role, in a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Walk {
    /// The member that was looked at last.
    #[n(0)]
    pub(crate) at: Option<Id>,
    /// Whether the walk has passed the last member, and goes on with the first.
    #[n(1)]
    pub(crate) wrapped: bool,
    /// Whether the walk has come back to where it began.
    #[n(2)]
    pub(crate) exhausted: bool,
    /// Members on the way that another operation held.
    #[n(3)]
    pub(crate) held: u32,
    /// Upgrades begun on the way.
    #[n(4)]
    pub(crate) begun: u32,
    /// The walk does not begin before this time: nanoseconds since the epoch.
    #[n(5)]
    pub(crate) not_before: u64,
    /// Members on the way whose snapshots could not be dropped.
    #[n(6)]
    #[cbor(default)]
    pub(crate) refused: u32,
}

/// A rollout. In stable memory it is a CBOR array of these fields, in their order.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Rollout {
    #[n(0)]
    pub(crate) id: u32,
    /// The role's number.
    #[n(1)]
    pub(crate) role: u16,
    /// The release that was current before.
    #[n(2)]
    pub(crate) from: u32,
    #[n(3)]
    pub(crate) to: u32,
    #[n(4)]
    pub(crate) plan: RolloutPlan,
    #[n(5)]
    pub(crate) phase: Phase,
    /// Time at which the phase began: nanoseconds since the epoch.
    #[n(6)]
    pub(crate) since: u64,
    #[n(7)]
    pub(crate) started: u64,
    /// The reason of a pause.
    #[n(8)]
    pub(crate) pause: Option<String>,
    /// Members of the role when the rollout began.
    #[n(9)]
    pub(crate) members: u32,
    /// Where the walk through the members begins: before this id.
    #[n(10)]
    pub(crate) first: Id,
    #[n(11)]
    pub(crate) walk: Walk,
    /// Canaries that were named, or else none.
    #[n(12)]
    pub(crate) named: Vec<Id>,
    /// Canaries that were begun.
    #[n(13)]
    pub(crate) canaries: u32,
    #[n(14)]
    pub(crate) upgraded: u32,
    #[n(15)]
    pub(crate) failed: u32,
    /// Failures that a controller has seen and let pass.
    #[n(16)]
    pub(crate) forgiven: u32,
    /// Members that got their old release again.
    #[n(17)]
    pub(crate) undone: u32,
    /// Whether `Undo` brings the state back, too, where there is a snapshot.
    #[n(18)]
    pub(crate) restores: bool,
    #[n(19)]
    pub(crate) outcome: Option<Outcome>,
    /// The operations that failed, oldest first: [`MAX_FAILURES`] at most.
    #[n(20)]
    pub(crate) failures: Vec<u64>,
    /// Upgrades that have ended, forwards and back.
    #[n(21)]
    pub(crate) ended: u32,
    /// Nanoseconds that they took, in sum.
    #[n(22)]
    pub(crate) spent: u64,
    /// Whether the release was current already: the rollout brings it to the members that an
    /// earlier one left behind, and its `Undo` touches no others.
    #[n(23)]
    #[cbor(default)]
    pub(crate) finishes: bool,
}

/// The next thing that root does for a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It begins so many operations, at most.
    Begin(u32),
    /// It asks again at this time: nanoseconds since the epoch.
    At(u64),
    /// It asks again when an operation of the rollout ends, or a controller asks for something.
    Nothing,
    /// A new phase has begun.
    Entered,
}

impl Rollout {
    /// A rollout of a role that begins now, from one release to another, before it knows members.
    pub(crate) fn new(
        id: u32,
        role: u16,
        (from, to): (u32, u32),
        plan: RolloutPlan,
        now: u64,
    ) -> Self {
        Self {
            id,
            role,
            from,
            to,
            plan,
            phase: Phase::Clear,
            since: now,
            started: now,
            pause: None,
            members: 0,
            first: Id(Principal::management_canister()),
            walk: Walk::default(),
            named: Vec::new(),
            canaries: 0,
            upgraded: 0,
            failed: 0,
            forgiven: 0,
            undone: 0,
            restores: false,
            outcome: None,
            failures: Vec::new(),
            ended: 0,
            spent: 0,
            finishes: false,
        }
    }

    /// Whether the rollout works on members, or is going to.
    pub(crate) fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Settle | Phase::Ended)
    }

    /// Whether root can do something for the rollout now, or soon.
    pub(crate) fn has_work(&self) -> bool {
        self.pause.is_none() && !self.waits() && self.phase != Phase::Ended
    }

    /// Whether the rollout waits for a time to come. Its end does so even while it is paused.
    pub(crate) fn waits(&self) -> bool {
        match self.phase {
            Phase::Bake => self.pause.is_none(),
            phase => phase == Phase::Settle,
        }
    }

    /// Begins a phase.
    pub(crate) fn enter(&mut self, phase: Phase, now: u64) {
        self.phase = phase;
        self.since = now;
        self.walk = Walk::default();
    }

    /// Ends the work on members.
    pub(crate) fn end(&mut self, outcome: Outcome, now: u64) {
        self.outcome = Some(outcome);
        self.pause = None;
        self.enter(Phase::Settle, now);
    }

    /// Failures that the rollout goes on with.
    fn tolerated(&self) -> u32 {
        let allowed = self.plan.max_failures.of(self.members);
        allowed.saturating_add(self.forgiven)
    }

    /// The number of canaries that the plan asks for.
    fn wanted_canaries(&self) -> u32 {
        if self.named.is_empty() {
            self.plan.canary.of(self.members)
        } else {
            self.named.len() as u32
        }
    }

    /// Nanoseconds that the work on so many members probably takes from now on, the bake included.
    /// `None`: no upgrade has ended yet, or the rollout waits for a controller.
    pub(crate) fn estimate(&self, left: u32, now: u64) -> Option<u64> {
        let bake = match self.phase {
            Phase::Clear | Phase::Canary => self.plan.bake,
            Phase::Bake => self
                .plan
                .bake
                .saturating_sub(now.saturating_sub(self.since)),
            Phase::Look | Phase::Rest | Phase::Undo => 0,
            Phase::Settle | Phase::Ended => return None,
        };
        if self.ended == 0 || self.pause.is_some() {
            return None;
        }
        let each = self.spent / u64::from(self.ended);
        let at_once = u64::from(self.plan.concurrent.clamp(1, MAX_CONCURRENT));
        Some(bake.saturating_add(each.saturating_mul(left.into()).div_ceil(at_once)))
    }

    /// Counts an operation that ended after so many nanoseconds.
    pub(crate) fn count(&mut self, operation: u64, job: Job, end: End, took: u64, now: u64) {
        if !matches!(job, Job::DropSnapshot | Job::Look) {
            self.ended += 1;
            self.spent = self.spent.saturating_add(took);
        }
        match (job, end) {
            (Job::DropSnapshot, End::Abandoned) => self.refuse(operation),
            (Job::DropSnapshot, _) | (Job::Look, End::Done) => {}
            (Job::Undo, End::Done) | (Job::Restore, End::Reverted) => self.undone += 1,
            (Job::Upgrade, End::Done) => self.upgraded += 1,
            (Job::Upgrade | Job::Look | Job::Undo | Job::Restore, _) => {
                self.note_failure(operation)
            }
        }
        let works = !matches!(
            self.phase,
            Phase::Clear | Phase::Undo | Phase::Settle | Phase::Ended
        );
        if works && self.failed > self.tolerated() && self.pause.is_none() {
            let reason = format!("{} of {} members failed", self.failed, self.members);
            self.fail(reason, now);
        }
    }

    fn note_failure(&mut self, operation: u64) {
        self.failed += 1;
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(operation);
        }
    }

    /// Counts a snapshot that could not be dropped. A rollout that clears up before it begins
    /// passes the member over: it has failed, and holds nobody else up.
    fn refuse(&mut self, operation: u64) {
        match self.phase {
            Phase::Clear => self.note_failure(operation),
            _ => self.walk.refused += 1,
        }
    }

    /// Does what the plan says about more failures than it tolerates.
    fn fail(&mut self, reason: String, now: u64) {
        match self.plan.on_failure {
            OnFailure::Pause => self.pause = Some(reason),
            OnFailure::Undo => self.enter(Phase::Undo, now),
        }
    }
}

/// Decides what root does next for a rollout of which `open` operations are under way.
pub(crate) fn next(rollout: &mut Rollout, open: u32, now: u64) -> Next {
    let settles = rollout.phase == Phase::Settle;
    if (rollout.pause.is_some() && !settles) || rollout.phase == Phase::Ended {
        return Next::Nothing;
    }
    let over = waits_until(rollout);
    if now < over {
        return Next::At(over);
    }
    if settles {
        rollout.pause = None;
    }
    if rollout.phase == Phase::Bake {
        rollout.enter(Phase::Look, now);
        return Next::Entered;
    }
    let walk = rollout.walk;
    let cleans_up = matches!(rollout.phase, Phase::Clear | Phase::Undo | Phase::Settle);
    if cleans_up && walk.begun == 0 && open > 0 {
        // Operations that began before may still leave snapshots, or the new release.
        return Next::Nothing;
    }
    let left = wanted(rollout).saturating_sub(walk.begun);
    if left > 0 && !walk.exhausted {
        let capacity = rollout.plan.concurrent.min(MAX_CONCURRENT);
        return match capacity.saturating_sub(open).min(left) {
            0 => Next::Nothing,
            number => Next::Begin(number),
        };
    }
    if open > 0 {
        return Next::Nothing;
    }
    if settles && walk.refused > 0 {
        let refused = walk.refused;
        rollout.pause = Some(format!("{refused} snapshots could not be dropped"));
    }
    match next_walk(rollout, left, now) {
        Some(walk) => rollout.walk = walk,
        None => leave(rollout, now),
    }
    Next::Entered
}

/// The time before which the rollout does nothing: nanoseconds since the epoch.
fn waits_until(rollout: &Rollout) -> u64 {
    let pause = match rollout.phase {
        Phase::Bake => rollout.plan.bake,
        Phase::Settle if rollout.outcome != Some(Outcome::Superseded) => rollout.plan.keep,
        _ => 0,
    };
    let over = rollout.since.saturating_add(pause);
    over.max(rollout.walk.not_before)
}

/// Members that the phase works on, at most.
fn wanted(rollout: &Rollout) -> u32 {
    match rollout.phase {
        Phase::Canary => rollout.wanted_canaries(),
        Phase::Look => rollout.canaries,
        _ => u32::MAX,
    }
}

/// The phase's next walk, for members that were held, that came meanwhile, or whose snapshots could
/// not be dropped: none is passed over.
/// `None`: the phase is done. `left` of its members were not found.
fn next_walk(rollout: &Rollout, left: u32, now: u64) -> Option<Walk> {
    let walk = rollout.walk;
    let (begun, pause) = match rollout.phase {
        // A canary that was held is looked for again, and so is one that is to be looked at.
        Phase::Canary if left > 0 && walk.held > 0 => (walk.begun, BUSY_PAUSE),
        Phase::Look if left > 0 && walk.held > 0 => (0, BUSY_PAUSE),
        Phase::Canary | Phase::Look | Phase::Bake | Phase::Ended => return None,
        Phase::Settle if walk.refused > 0 => (0, REFUSED_PAUSE),
        _ if walk.begun > 0 => (0, 0),
        _ if walk.held > 0 => (0, BUSY_PAUSE),
        _ => return None,
    };
    Some(Walk {
        begun,
        not_before: now + pause,
        ..Walk::default()
    })
}

/// Leaves a phase whose members are all done.
fn leave(rollout: &mut Rollout, now: u64) {
    let begun = rollout.walk.begun;
    match rollout.phase {
        Phase::Clear => rollout.enter(Phase::Canary, now),
        // Without a canary that serves, nobody knows whether the release is good.
        Phase::Canary if rollout.upgraded == 0 && rollout.failed > rollout.forgiven => {
            rollout.fail("no canary was upgraded".to_string(), now);
        }
        // The members that were named are gone, or have the release already.
        Phase::Canary if begun == 0 && !rollout.named.is_empty() => {
            rollout.named.clear();
            rollout.enter(Phase::Canary, now);
        }
        Phase::Canary if begun == 0 => {
            rollout.canaries = 0;
            rollout.enter(Phase::Rest, now);
        }
        Phase::Canary => {
            rollout.canaries = begun;
            rollout.enter(Phase::Bake, now);
        }
        Phase::Look => rollout.enter(Phase::Rest, now),
        Phase::Rest => rollout.end(Outcome::Completed, now),
        Phase::Undo => rollout.end(Outcome::Undone, now),
        Phase::Settle => rollout.enter(Phase::Ended, now),
        Phase::Bake | Phase::Ended => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn sample(members: u32) -> Rollout {
        let plan = RolloutPlan {
            canary: Share::Members(2),
            bake: 600 * SECOND,
            concurrent: 10,
            max_failures: Share::Members(1),
            on_failure: OnFailure::Pause,
            snapshots: Snapshots::Canary,
            health_timeout: 60 * SECOND,
            keep: 0,
        };
        Rollout {
            members,
            ..Rollout::new(1, 0, (1, 2), plan, 0)
        }
    }

    /// Walks through the members: each phase finds the ones that it works on.
    struct Fleet {
        /// Whether each member has the new release, and whether the rollout worked on it.
        upgraded: Vec<bool>,
        touched: Vec<bool>,
        begun: Vec<(Phase, u32)>,
        most: u32,
    }

    /// Runs a rollout to its end, or to its pause. `fails` says which upgrades fail.
    fn run(rollout: &mut Rollout, fleet: &mut Fleet, mut fails: impl FnMut(u32) -> bool) {
        let mut now = rollout.since;
        let mut count = 0;
        for _ in 0..10_000 {
            match next(rollout, 0, now) {
                Next::Nothing => return,
                Next::Entered => {}
                Next::At(time) => now = time,
                Next::Begin(number) => {
                    fleet.most = fleet.most.max(number);
                    let phase = rollout.phase;
                    let wants = |member: usize| match phase {
                        Phase::Canary | Phase::Rest => {
                            !fleet.upgraded[member] && !fleet.touched[member]
                        }
                        Phase::Look => fleet.upgraded[member],
                        Phase::Undo => fleet.upgraded[member],
                        _ => false,
                    };
                    let found: Vec<usize> = (0..fleet.upgraded.len())
                        .filter(|member| wants(*member))
                        .take(number as usize)
                        .collect();
                    rollout.walk.exhausted = found.len() < number as usize;
                    rollout.walk.begun += found.len() as u32;
                    for member in found {
                        count += 1;
                        fleet.begun.push((phase, member as u32));
                        fleet.touched[member] = true;
                        let failed = fails(count);
                        match phase {
                            Phase::Look => {}
                            Phase::Undo => fleet.upgraded[member] = failed,
                            _ => fleet.upgraded[member] = !failed,
                        }
                        let job = match phase {
                            Phase::Look => Job::Look,
                            Phase::Undo => Job::Undo,
                            _ => Job::Upgrade,
                        };
                        let end = if failed { End::Untouched } else { End::Done };
                        rollout.count(count.into(), job, end, SECOND, now);
                    }
                }
            }
        }
        panic!("it goes on: {rollout:?}");
    }

    fn fleet(members: usize) -> Fleet {
        Fleet {
            upgraded: vec![false; members],
            touched: vec![false; members],
            begun: Vec::new(),
            most: 0,
        }
    }

    fn begun_in(fleet: &Fleet, phase: Phase) -> usize {
        fleet.begun.iter().filter(|(one, _)| *one == phase).count()
    }

    #[test]
    fn a_good_release_goes_to_the_canaries_and_after_the_bake_to_the_rest() {
        let mut rollout = sample(100);
        let mut fleet = fleet(100);
        run(&mut rollout, &mut fleet, |_| false);
        assert_eq!(begun_in(&fleet, Phase::Canary), 2);
        assert_eq!(begun_in(&fleet, Phase::Look), 2);
        assert_eq!(begun_in(&fleet, Phase::Rest), 98);
        assert!(fleet.upgraded.iter().all(|upgraded| *upgraded));
        assert_eq!(fleet.most, 10, "never more than the plan says");
        assert_eq!((rollout.phase, rollout.upgraded), (Phase::Ended, 100));
        assert_eq!(rollout.outcome, Some(Outcome::Completed));
    }

    #[test]
    fn more_failures_than_tolerated_pause_a_rollout_and_one_more_after_it_went_on() {
        let mut rollout = sample(100);
        let mut fleet = fleet(100);
        run(&mut rollout, &mut fleet, |_| true);
        assert_eq!(begun_in(&fleet, Phase::Canary), 2, "both canaries failed");
        assert_eq!(rollout.failed, 2);
        assert!(rollout.pause.is_some());
        assert_eq!(next(&mut rollout, 0, u64::MAX), Next::Nothing);
        rollout.forgiven = rollout.failed;
        rollout.pause = None;
        run(&mut rollout, &mut fleet, |count| count < 2);
        assert_eq!(rollout.failed, 3);
        assert_eq!(rollout.outcome, Some(Outcome::Completed));
    }

    #[test]
    fn more_failures_than_tolerated_undo_a_rollout_whose_plan_says_so() {
        let mut rollout = sample(30);
        rollout.plan.on_failure = OnFailure::Undo;
        let mut fleet = fleet(30);
        run(&mut rollout, &mut fleet, |count| (20..22).contains(&count));
        assert_eq!(rollout.outcome, Some(Outcome::Undone));
        assert!(fleet.upgraded.iter().all(|upgraded| !upgraded));
        assert_eq!(rollout.undone, rollout.upgraded);
    }

    #[test]
    fn a_share_is_rounded_up_to_whole_members() {
        assert_eq!(Share::Percent(5).of(10), 1);
        assert_eq!(Share::Percent(5).of(100_000), 5_000);
        assert_eq!(Share::Percent(100).of(u32::MAX), u32::MAX);
        assert_eq!(Share::Members(3).of(2), 3);
    }

    #[test]
    fn a_phase_waits_for_its_open_operations() {
        let mut rollout = sample(5);
        rollout.phase = Phase::Canary;
        rollout.walk.begun = 2;
        assert_eq!(next(&mut rollout, 1, 7), Next::Nothing);
        assert_eq!(next(&mut rollout, 0, 7), Next::Entered);
        assert_eq!((rollout.phase, rollout.since), (Phase::Bake, 7));
        assert_eq!(next(&mut rollout, 0, 8), Next::At(7 + 600 * SECOND));
    }

    #[test]
    fn members_that_another_operation_held_are_looked_for_again() {
        let mut rollout = sample(5);
        rollout.phase = Phase::Rest;
        rollout.walk.exhausted = true;
        rollout.walk.held = 1;
        assert_eq!(next(&mut rollout, 0, 7), Next::Entered);
        assert_eq!(rollout.phase, Phase::Rest);
        assert_eq!(next(&mut rollout, 0, 7), Next::At(7 + BUSY_PAUSE));
    }

    #[test]
    fn the_estimate_is_the_pace_of_the_upgrades_that_have_ended_and_the_bake() {
        let mut rollout = sample(21);
        rollout.phase = Phase::Canary;
        assert_eq!(rollout.estimate(21, 0), None, "no upgrade has ended");
        rollout.count(1, Job::Upgrade, End::Done, 30 * SECOND, 0);
        rollout.count(2, Job::Look, End::Done, 1_000 * SECOND, 0);
        assert_eq!(rollout.estimate(20, 0), Some((600 + 60) * SECOND));
        rollout.enter(Phase::Bake, 5 * SECOND);
        let later = 105 * SECOND;
        assert_eq!(rollout.estimate(20, later), Some((500 + 60) * SECOND));
        rollout.enter(Phase::Rest, later);
        assert_eq!(rollout.estimate(5, later), Some(15 * SECOND));
        rollout.pause = Some(String::new());
        assert_eq!(rollout.estimate(5, later), None);
    }

    #[test]
    fn a_canary_that_another_operation_held_is_waited_for() {
        let mut rollout = sample(5);
        rollout.phase = Phase::Canary;
        rollout.walk = Walk {
            begun: 1,
            held: 2,
            exhausted: true,
            ..Walk::default()
        };
        assert_eq!(next(&mut rollout, 0, 7), Next::Entered);
        assert_eq!((rollout.phase, rollout.walk.begun), (Phase::Canary, 1));
        assert_eq!(next(&mut rollout, 0, 7), Next::At(7 + BUSY_PAUSE));
        assert_eq!(next(&mut rollout, 0, 7 + BUSY_PAUSE), Next::Begin(1));
    }

    #[test]
    fn a_phase_that_cleans_up_begins_after_what_was_under_way_has_ended() {
        for phase in [Phase::Clear, Phase::Undo, Phase::Settle] {
            let mut rollout = sample(5);
            rollout.phase = phase;
            rollout.outcome = Some(Outcome::Aborted);
            assert_eq!(next(&mut rollout, 1, 7), Next::Nothing);
            assert_eq!(next(&mut rollout, 0, 7), Next::Begin(10));
            // Those that it drops itself run at once.
            rollout.walk.begun = 1;
            assert_eq!(next(&mut rollout, 1, 7), Next::Begin(9));
        }
    }

    #[test]
    fn a_role_without_members_to_upgrade_does_not_bake() {
        let mut rollout = sample(0);
        let mut fleet = fleet(0);
        run(&mut rollout, &mut fleet, |_| false);
        assert_eq!(rollout.outcome, Some(Outcome::Completed));
        assert_eq!(rollout.since, 0, "nothing waited");
    }

    #[test]
    fn a_rollout_whose_named_canaries_are_gone_chooses_others() {
        let mut rollout = sample(9);
        rollout.named = vec![Id(Principal::anonymous())];
        rollout.enter(Phase::Canary, 0);
        rollout.walk.exhausted = true;
        assert_eq!(next(&mut rollout, 0, 0), Next::Entered);
        assert_eq!(next(&mut rollout, 0, 0), Next::Begin(2), "as the plan says");
    }
}
