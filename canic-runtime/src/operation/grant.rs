//! The grant of cycles to a canister that runs, and when root looks at a canister again.
//!
//! ```text
//! Verify ─ Fund ─ Done
//!    ▲       │
//!    └───────┘ unknown: the balance shows whether the deposit arrived
//! ```
//!
//! The watch has just looked when it grants, and begins with `Fund`. A level is an amount of cycles
//! above the freezing threshold: what a canister can spend.

use crate::{
    api::GrantPurpose,
    config::{FundConfig, Level},
    operation::{
        End, GrantPlan, Mark, Operation, Position, Purpose,
        Step::{Fund, Verify},
        call::{Outcome, Reply, Status},
        install,
        teardown::{self, MAX_CALLS, Resources},
        transition::{Transition, backoff},
    },
    stable::record::Cycles,
};

/// The smallest grant, in cycles: 100 B. If the reply to a deposit is lost, the next balance shows
/// whether it arrived. The platform holds back 43 B while a canister awaits an answer, and that
/// must not hide the deposit, nor must what the canister burns meanwhile.
pub(crate) const MIN: u128 = 100_000_000_000;

/// Spendable cycles with which a canister can do anything: the platform takes 83 B in advance for a
/// message and the answer that it awaits. Every level is at least this.
pub(crate) const AWAKE: u128 = 100_000_000_000;

/// A member that lacks less than this share of a level, as a divisor, has enough.
const NEARLY: u128 = 20;

/// Open grants at most.
pub(crate) const MAX_OPEN: u64 = 16;

/// Seconds of a day.
pub(crate) const DAY: u64 = 86_400;

/// Seconds after which root looks at a canister again, at most.
pub(crate) const LONGEST: u64 = 7 * DAY;

/// Seconds after which root looks at a canister again, at least.
pub(crate) const SHORTEST: u64 = 600;

/// Seconds after which root first looks at a new member, and knows then what it burns.
pub(crate) const FIRST: u64 = 6 * 3_600;

/// Seconds after which root looks again at a canister that it can't see, or that it can't help.
pub(crate) const LATER: u64 = 3_600;

const NANOSECONDS: u64 = 1_000_000_000;

/// The day, counted from 1970, of a time in nanoseconds since then.
pub(crate) fn day(now: u64) -> u32 {
    // Nanoseconds of 64 bits end in the year 2554.
    (now / NANOSECONDS / DAY) as u32
}

/// Seconds until the next midnight in UTC.
pub(crate) fn until_midnight(now: u64) -> u64 {
    DAY - now / NANOSECONDS % DAY
}

impl GrantPlan {
    pub(crate) fn new(purpose: GrantPurpose, position: Option<Position>, cycles: u128) -> Self {
        Self {
            purpose,
            position,
            cycles: Cycles(cycles),
            to: None,
            burn: Cycles(0),
            looked: 0,
        }
    }
}

impl From<Level> for Mark {
    fn from(level: Level) -> Self {
        match level {
            Level::Seconds(seconds) => Self::Seconds(seconds),
            Level::Cycles(cycles) => Self::Cycles(Cycles(cycles)),
        }
    }
}

impl From<Mark> for Level {
    fn from(mark: Mark) -> Self {
        match mark {
            Mark::Seconds(seconds) => Self::Seconds(seconds),
            Mark::Cycles(cycles) => Self::Cycles(cycles.0),
        }
    }
}

// Levels

/// The cycles of a level, for a canister that burns so many a day.
pub(crate) fn cycles_of(level: Level, burn: u128) -> u128 {
    match level {
        Level::Seconds(seconds) => burn.saturating_mul(seconds.into()) / u128::from(DAY),
        Level::Cycles(cycles) => cycles,
    }
}

/// Cycles that a canister can spend: those above its freezing threshold.
pub(crate) fn spendable(status: &Status) -> u128 {
    status.cycles.saturating_sub(status.frozen)
}

/// Cycles that a canister lacks to a level.
fn lacking(status: &Status, level: u128) -> u128 {
    let full = level.saturating_add(status.frozen);
    full.saturating_sub(status.cycles)
}

/// The cycles of a role's `to`, for a member that burns so many a day.
pub(crate) fn full(to: Level, burn: u128) -> u128 {
    cycles_of(to, burn).max(2 * AWAKE)
}

/// Cycles that a member needs now, by the rule of its role. `None`: it has enough.
pub(crate) fn need(fund: &FundConfig, status: &Status, burn: u128) -> Option<u128> {
    let is_low = spendable(status) < cycles_of(fund.below, burn).max(AWAKE);
    is_low
        .then(|| lacking(status, full(fund.to, burn)))
        .filter(|cycles| *cycles > 0)
        .map(|cycles| cycles.max(MIN))
}

/// Cycles that a canister of the pool needs now. `None`: it has enough. The canister pays for its
/// memory, and a provision must be able to install it.
pub(crate) fn need_in_pool(full: u128, status: &Status) -> Option<u128> {
    let is_low = status.cycles < full / 2 || spendable(status) == 0;
    let lacking = full.saturating_add(status.frozen) - status.cycles.min(full);
    is_low.then_some(lacking.max(MIN))
}

/// Seconds for which the spendable cycles of a canister last.
pub(crate) fn seconds_left(spendable: u128, burn: u128) -> u64 {
    let left = spendable.saturating_mul(DAY.into()).checked_div(burn);
    left.map_or(u64::MAX, |left| u64::try_from(left).unwrap_or(u64::MAX))
}

/// Seconds until root looks again at a canister that has so many left: half of them, a week at
/// most.
pub(crate) fn until_next_look(left: u64) -> u64 {
    (left / 2).clamp(SHORTEST, LONGEST)
}

/// The pause until the next look at a canister that has so many seconds left. Long pauses end at a
/// full day, shorter ones at full hours, so that root wakes up once for many canisters.
pub(crate) fn pause(now: u64, left: u64) -> u64 {
    let pause = until_next_look(left);
    let grid = GRIDS.iter().find(|grid| pause >= 4 * **grid);
    let grid = grid.copied().unwrap_or(1);
    (now + pause) / grid * grid - now
}

/// Seconds between the times at which pauses end, of four times that length at least.
const GRIDS: [u64; 3] = [DAY, 6 * 3_600, 3_600];

/// Cycles that a canister burned in a day, measured between two looks. `None`: they are too close
/// for a measurement.
pub(crate) fn measured(before: u128, now: u128, seconds: u64) -> Option<u128> {
    let burned = before.saturating_sub(now);
    (seconds >= SHORTEST).then(|| burned.saturating_mul(DAY.into()) / u128::from(seconds))
}

// Steps

/// Cycles that the canister of a grant has burned since root last saw its balance, as far as root
/// knows. 0 for other operations.
pub(crate) fn burned_meanwhile(op: &Operation) -> u128 {
    let Purpose::Grant(plan) = &op.purpose else {
        return 0;
    };
    let seconds = op.updated.saturating_sub(plan.looked) / NANOSECONDS;
    plan.burn.0.saturating_mul(seconds.into()) / u128::from(DAY)
}

/// Decides after `canister_status`.
pub(crate) fn after_verify(op: &mut Operation, reply: Reply, resources: &Resources) -> Transition {
    let status = match reply {
        Reply::Status(status) => status,
        other => return teardown::ask_again(op, other).unwrap_or_else(|why| give_up(op, why)),
    };
    op.money.held = Cycles(status.cycles);
    // The deposit whose reply was lost has arrived.
    if op.money.paid.0 > 0 {
        return Transition::Close(End::Done);
    }
    if op.retry.calls >= MAX_CALLS {
        return give_up(op, "it took too many calls".to_string());
    }
    let looked = op.updated;
    let Purpose::Grant(plan) = &mut op.purpose else {
        return give_up(op, "its record has no plan of a grant".to_string());
    };
    plan.looked = looked;
    plan.burn = Cycles(plan.burn.0.max(status.idle_burn));
    let room = plan.to.map_or(u128::MAX, |to| {
        let to = full(Level::from(to), plan.burn.0);
        let room = lacking(&status, to);
        let is_near = room < to / NEARLY;
        if is_near { 0 } else { room.max(MIN) }
    });
    let cycles = plan.cycles.0.min(room);
    if cycles == 0 {
        return give_up(op, enough(status.cycles));
    }
    if cycles > resources.available.saturating_add(op.money.reserved.0) {
        return give_up(op, format!("root can't pay {cycles} cycles any more"));
    }
    op.money.reserve_shortfall(cycles);
    op.step = Fund;
    Transition::Call
}

/// The reason why a canister gets nothing that has enough.
fn enough(balance: u128) -> String {
    format!("it holds {balance} cycles, as much as its role's `to`, or nearly")
}

/// Decides after `deposit_cycles`.
pub(crate) fn after_fund(op: &mut Operation, reply: Reply) -> Transition {
    match reply {
        Reply::Failed(failure) if failure.outcome == Outcome::Unknown => {
            op.failure = Some(failure.reason);
            op.step = Verify;
            Transition::Later(backoff(1))
        }
        Reply::Failed(failure) if failure.transient => install::try_again(op, failure.reason),
        Reply::Failed(failure) => give_up(op, failure.reason),
        _ => Transition::Close(End::Done),
    }
}

/// Ends a grant with which the canister got nothing, as far as root knows.
pub(crate) fn give_up(op: &mut Operation, reason: String) -> Transition {
    op.failure = Some(reason);
    op.money.reserve_shortfall(0);
    Transition::Close(End::Untouched)
}

/// Whether a grant ended because the canister has enough.
pub(crate) fn has_enough(op: &Operation) -> bool {
    op.failure.as_deref() == Some(&enough(op.money.held.0))
}

#[cfg(test)]
mod tests {
    use candid::Principal;

    use super::*;
    use crate::{
        operation::{Step, call::Failure, machine, recovery},
        stable::record::Id,
        state::ledger::Ledger,
    };

    const ROOT: Principal = Principal::from_slice(&[1, 1]);
    /// 10^11 cycles.
    const B: u128 = 100_000_000_000;
    const WEEKS: FundConfig = FundConfig {
        below: Level::Seconds(7 * DAY),
        to: Level::Seconds(30 * DAY),
        per_day: None,
    };
    const AMOUNTS: FundConfig = FundConfig {
        below: Level::Cycles(500 * B),
        to: Level::Cycles(2_000 * B),
        per_day: None,
    };
    const RESOURCES: Resources = Resources {
        pool_has_capacity: true,
        available: 1_000_000 * B,
        creation_fee: 0,
    };

    fn status(cycles: u128, frozen: u128) -> Status {
        Status {
            frozen,
            idle_burn: B,
            ..Status::sample(ROOT, cycles)
        }
    }

    fn grant(step: Step) -> Operation {
        let mut plan = GrantPlan::new(GrantPurpose::Watch, Some(Position::sample(ROOT)), 100 * B);
        plan.burn = Cycles(2 * B);
        plan.to = Some(Mark::from(Level::Seconds(90 * DAY)));
        let mut op = Operation::new(1, Purpose::Grant(plan), step, 0);
        op.canister = Some(Id(ROOT));
        op.money.reserve_shortfall(100 * B);
        op
    }

    #[test]
    fn a_member_is_brought_from_below_one_level_to_the_other_above_its_freezing_threshold() {
        for (fund, cycles, need) in [
            (WEEKS, 37, None),
            (WEEKS, 36, Some(24)),
            (WEEKS, 30, Some(30)),
            (WEEKS, 0, Some(60)),
            (AMOUNTS, 530, None),
            (AMOUNTS, 529, Some(1_501)),
        ] {
            let need = need.map(|need: u128| need * B);
            let status = status(cycles * B, 30 * B);
            assert_eq!(super::need(&fund, &status, B), need, "{cycles}");
        }
        // The more it burns, the sooner it needs some, and the more.
        let low = super::need(&WEEKS, &status(90 * B, 30 * B), 10 * B);
        assert_eq!(low, Some(240 * B));
        // However little it burns, it must be able to pay for a message in advance.
        assert_eq!(super::need(&WEEKS, &status(0, 0), 0), Some(2 * AWAKE));
        assert_eq!(super::need(&WEEKS, &status(AWAKE, 0), 0), None);
    }

    #[test]
    fn a_canister_of_the_pool_is_filled_up_when_half_is_gone_or_it_is_frozen() {
        let full = 1_000 * B;
        assert_eq!(need_in_pool(full, &status(500 * B, 30 * B)), None);
        assert_eq!(need_in_pool(full, &status(499 * B, 30 * B)), Some(531 * B));
        assert_eq!(
            need_in_pool(full, &status(600 * B, 700 * B)),
            Some(1_100 * B)
        );
    }

    #[test]
    fn root_looks_again_when_half_of_the_time_is_over_a_week_at_most() {
        for (left, pause) in [
            (0, SHORTEST),
            (DAY, DAY / 2),
            (14 * DAY, 7 * DAY),
            (15 * DAY, 7 * DAY),
            (u64::MAX, 7 * DAY),
        ] {
            assert_eq!(until_next_look(left), pause);
        }
        assert_eq!(seconds_left(30 * B, B), 30 * DAY);
        assert_eq!(seconds_left(30 * B, 0), u64::MAX);
        assert_eq!(seconds_left(u128::MAX, 1), u64::MAX);
    }

    #[test]
    fn long_pauses_end_together_and_are_at_most_a_quarter_shorter() {
        let now = 20_000 * DAY + 12_345;
        for left in (0..20 * DAY).step_by(1_000) {
            let (pause, longest) = (super::pause(now, left), until_next_look(left));
            assert!(pause <= longest && pause * 4 >= longest * 3, "{left}");
        }
        assert_eq!(super::pause(now, 30 * DAY), 7 * DAY - 12_345);
        assert_eq!(super::pause(now, 12 * 3_600), 6 * 3_600 - 12_345 % 3_600);
        assert_eq!(super::pause(now, 3_600), 1_800);
    }

    #[test]
    fn what_was_burned_between_two_looks_is_told_for_a_day() {
        assert_eq!(measured(10 * B, 9 * B, DAY / 2), Some(2 * B));
        assert_eq!(measured(9 * B, 10 * B, DAY / 2), Some(0));
        assert_eq!(measured(10 * B, 9 * B, SHORTEST - 1), None);
    }

    #[test]
    fn days_end_at_midnight() {
        let midnight = 20_000 * DAY * NANOSECONDS;
        assert_eq!((day(midnight - 1), day(midnight)), (19_999, 20_000));
        assert_eq!(until_midnight(midnight), DAY);
        assert_eq!(until_midnight(midnight - NANOSECONDS), 1);
    }

    /// Runs a grant whose deposits meet these rejects, and arrive or not. Answers its end, and what
    /// arrived.
    fn run(op: &mut Operation, mut faults: Vec<(u32, bool, bool)>) -> (End, u128) {
        let mut ledger = Ledger::default();
        let (mut balance, mut arrived) = (50 * B, 0);
        for _ in 0..100 {
            match recovery::resume(op) {
                Transition::Close(end) => return (end, arrived),
                Transition::Call | Transition::Later(_) => {}
            }
            op.retry.calls += 1;
            // Days pass, and it burns what it burns.
            op.updated += 5 * DAY * NANOSECONDS;
            balance -= 10 * B.min(balance / 10);
            let reply = match op.step {
                Step::Verify => Reply::Status(status(balance, 30 * B)),
                Step::Fund => {
                    let sent = op.money.shortfall.0;
                    op.money.reserved = Cycles(0);
                    op.money.paid.0 += sent;
                    let (code, arrives, cut_off) = faults.pop().unwrap_or((0, true, false));
                    if arrives {
                        balance += sent;
                        arrived += sent;
                    }
                    if cut_off {
                        op.in_flight = true;
                        continue;
                    }
                    match code {
                        0 => Reply::Done,
                        code => Reply::Failed(Failure::of_management(code, "no")),
                    }
                }
                other => panic!("{other:?}"),
            };
            let attached = if op.step == Step::Fund {
                op.money.paid.0
            } else {
                0
            };
            ledger.settle(op, &reply, attached, 0);
            if let Transition::Close(end) = machine::advance(op, reply, &RESOURCES) {
                ledger.settle_end(op, end);
                assert_eq!(op.money.paid.0, arrived, "the record is true");
                assert_eq!(ledger.to_members.0, arrived);
                return (end, arrived);
            }
        }
        panic!("it goes on");
    }

    #[test]
    fn a_grant_is_given_once_whatever_becomes_of_its_deposits() {
        // Rejects: of a busy platform, of an unknown outcome that arrived or did not, cut off.
        let all = [
            (2, false, false),
            (6, true, false),
            (6, false, false),
            (6, true, true),
            (6, false, true),
            (0, true, false),
        ];
        for first in all {
            for second in all {
                for step in [Step::Verify, Step::Fund] {
                    let mut op = grant(step);
                    op.money.held = Cycles(50 * B);
                    let (end, arrived) = run(&mut op, vec![second, first]);
                    assert_eq!((end, arrived), (End::Done, 100 * B), "{first:?} {second:?}");
                }
            }
        }
        let (end, arrived) = run(&mut grant(Step::Verify), vec![(5, false, false)]);
        assert_eq!((end, arrived), (End::Untouched, 0));
    }

    #[test]
    fn a_grant_does_not_bring_a_member_above_its_level() {
        let mut op = grant(Step::Verify);
        // 90 days of 2 B above 30 B.
        let reply = Reply::Status(status(150 * B, 30 * B));
        let next = machine::advance(&mut op, reply, &RESOURCES);
        assert_eq!((next, op.step), (Transition::Call, Step::Fund));
        assert_eq!(op.money.shortfall.0, 60 * B);
        let mut op = grant(Step::Verify);
        let reply = Reply::Status(status(205 * B, 30 * B));
        let next = machine::advance(&mut op, reply, &RESOURCES);
        assert_eq!(next, Transition::Close(End::Untouched));
        assert!(has_enough(&op) && op.money.reserved.0 == 0);
    }

    #[test]
    fn a_grant_that_root_can_no_longer_pay_gives_nothing() {
        let mut op = grant(Step::Verify);
        op.money.reserved = Cycles(0);
        let poor = Resources {
            available: 99 * B,
            ..RESOURCES
        };
        let reply = Reply::Status(status(0, 0));
        let next = machine::advance(&mut op, reply, &poor);
        assert_eq!(next, Transition::Close(End::Untouched));
    }
}
