//! The runway: how long root's cycles last at the rate of the last days, and how urgent that is.

use std::cell::Cell;

use crate::{
    api::{Level, RefuelRule, RootFunding},
    codec::account::accounts_of,
    operation::Moment,
    platform::ic,
    root::refuel,
    state::{self, State, samples::DAY},
};

/// Below so many days left root's level is [`Level::Warn`].
const WARN_DAYS: f64 = 30.0;

/// Below so many days left root's level is [`Level::Critical`].
const CRITICAL_DAYS: f64 = 7.0;

/// Nanoseconds between two looks at least: an hour.
const SHORTEST_PAUSE: u64 = 3_600_000_000_000;

/// Nanoseconds between two looks at most: a week, as between two looks at a member.
const LONGEST_PAUSE: u64 = 7 * DAY;

/// From so many days on until root must act, it looks once a week.
const EASY_DAYS: f64 = 60.0;

/// How long root's cycles last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Runway {
    pub(crate) available: u128,
    pub(crate) spent_per_day: Option<u128>,
    pub(crate) days_left: Option<f64>,
    pub(crate) level: Level,
    pub(crate) reason: Option<String>,
}

/// Root's runway now. `refuel_fails`: the last refuel from each source failed.
pub(crate) fn runway(state: &State, moment: &Moment, refuel_fails: bool) -> Runway {
    let available = state.available(moment.balance);
    let spent_per_day = spent_per_day(state, moment);
    let days_left = days_left(available, spent_per_day);
    let lasts_less = |days: f64| days_left.is_some_and(|left| left < days);
    let can_not_refuel = refuel_fails && refuel::is_low(state, moment.balance);
    let level = if available == 0 || lasts_less(CRITICAL_DAYS) {
        Level::Critical
    } else if can_not_refuel || lasts_less(WARN_DAYS) {
        Level::Warn
    } else {
        Level::Ok
    };
    let reason = (level > Level::Ok)
        .then(|| reason(state, available, spent_per_day, days_left, can_not_refuel));
    Runway {
        available,
        spent_per_day,
        days_left,
        level,
        reason,
    }
}

/// Why root's level is not [`Level::Ok`], and what helps.
fn reason(
    state: &State,
    available: u128,
    spent_per_day: Option<u128>,
    days_left: Option<f64>,
    can_not_refuel: bool,
) -> String {
    let reserve = state.config.reserve;
    let mut reason = format!("root has {available} cycles above its reserve of {reserve}");
    if let (Some(spent), Some(days)) = (spent_per_day, days_left) {
        let tenths = (days * 10.0) as u64;
        let (days, tenths) = (tenths / 10, tenths % 10);
        reason += &format!(", for {days}.{tenths} days at {spent} a day");
    }
    reason += match (&state.config.refuel, can_not_refuel) {
        (_, true) => ", and the accounts that it refuels from have too little",
        (None, _) => ", and no `refuel(..)`",
        (Some(_), false) => "",
    };
    reason
}

/// When root looks at its own cycles next: nanoseconds since the epoch.
pub(crate) fn next_look_at(state: &State, moment: &Moment) -> u64 {
    let lowest = state.config.refuel.as_ref().map_or(0, |rule| rule.below);
    let available = state.available(moment.balance);
    let left = available.min(moment.balance.saturating_sub(lowest));
    let days = days_left(left, spent_per_day(state, moment));
    moment.now + pause(days)
}

fn spent_per_day(state: &State, moment: &Moment) -> Option<u128> {
    let sample = state.sample(moment.balance);
    state.samples.spent_per_day(moment.now, sample)
}

/// Days for which cycles last at a rate.
fn days_left(available: u128, spent_per_day: Option<u128>) -> Option<f64> {
    spent_per_day.map(|spent| available as f64 / spent.max(1) as f64)
}

/// Root's own part of `canic_funding`.
pub(crate) fn root_funding(state: &State, moment: &Moment) -> RootFunding {
    let runway = runway(state, moment, refuel::has_failed(state));
    let lasts = runway.days_left.map(|days| days * DAY as f64);
    let rule = state.config.refuel.as_ref();
    RootFunding {
        level: runway.level,
        reason: runway.reason,
        available: runway.available,
        reserve: state.config.reserve,
        spent_per_day: runway.spent_per_day,
        days_left: runway.days_left,
        // A time beyond the calendar of the platform is the last one.
        dry_at: lasts.map(|lasts| moment.now.saturating_add(lasts as u64)),
        refuel: rule.map(|rule| RefuelRule {
            below: rule.below,
            to: rule.to,
            sources: rule.sources.to_vec(),
        }),
        refuelled: state.head.ledger.refuelled.0,
        accounts: accounts_of(moment.root),
    }
}

thread_local! {
    /// The level of the last look.
    static LEVEL: Cell<Level> = const { Cell::new(Level::Ok) };
}

/// Looks at root's cycles: takes the sample of the day, and tells the log when they run short. The
/// watchdog sees to the next look.
pub(crate) fn look(moment: &Moment) {
    let (is_new_day, runway) = state::with(|state| {
        let is_new_day = moment.now >= state.samples.due();
        let sample = state.sample(moment.balance);
        state.samples.take(moment.now, sample);
        let fails = refuel::has_failed(state);
        (is_new_day, runway(state, moment, fails))
    });
    if runway.level > LEVEL.replace(runway.level) || is_new_day {
        tell(&runway);
    }
}

/// The pause until the next look: half of the time that is left, but an hour at least, and a day at
/// most. A week, if root has time enough.
fn pause(days_left: Option<f64>) -> u64 {
    match days_left {
        None => DAY,
        Some(days) if days >= EASY_DAYS => LONGEST_PAUSE,
        Some(days) => ((days / 2.0 * DAY as f64) as u64).clamp(SHORTEST_PAUSE, DAY),
    }
}

fn tell(runway: &Runway) {
    let level = match runway.level {
        Level::Ok => return,
        Level::Warn => ic::Level::Warn,
        Level::Critical => ic::Level::Error,
    };
    if let Some(reason) = &runway.reason {
        let accounts = accounts_of(ic::this());
        ic::log(
            level,
            format_args!(
                "{reason}: send cycles to {}, at the cycles ledger or directly, or ICP to {}",
                accounts.cycles.owner, accounts.icp
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{DEFAULT_RESERVE, FuelSource, RefuelConfig, RootConfig},
        root::steps::tests::{BARE, T, moment, state_of},
        state::State,
    };

    static CONFIG: RootConfig = RootConfig {
        refuel: Some(RefuelConfig {
            below: 50 * T,
            to: 80 * T,
            sources: &[FuelSource::Cycles],
        }),
        ..BARE
    };

    /// A root that spent `spent` yesterday, and has `balance` now.
    fn root(config: &'static RootConfig, balance: u128, spent: u128) -> (State, Moment) {
        let mut state = state_of(config);
        let before = state.sample(balance + spent);
        state.samples.take(DAY, before);
        let moment = Moment {
            now: 2 * DAY,
            balance,
            ..moment()
        };
        (state, moment)
    }

    fn level(balance: u128, spent: u128) -> Level {
        let (state, moment) = root(&BARE, balance, spent);
        runway(&state, &moment, false).level
    }

    #[test]
    fn the_level_follows_from_the_days_that_are_left() {
        let balance = 30 * T + DEFAULT_RESERVE;
        assert_eq!(level(balance, T), Level::Ok);
        assert_eq!(level(balance, T + T / 100), Level::Warn);
        assert_eq!(level(balance, 4 * T), Level::Warn);
        assert_eq!(level(balance, 5 * T), Level::Critical);
        assert_eq!(level(DEFAULT_RESERVE, 0), Level::Critical);
    }

    #[test]
    fn a_root_whose_accounts_are_empty_warns_while_it_is_low() {
        let warns = |balance, fails| {
            let (state, moment) = root(&CONFIG, balance, 1);
            runway(&state, &moment, fails).level
        };
        assert_eq!(warns(49 * T, true), Level::Warn);
        assert_eq!(warns(49 * T, false), Level::Ok);
        assert_eq!(warns(51 * T, true), Level::Ok);
    }

    #[test]
    fn a_reason_names_the_amounts_the_rate_and_the_missing_rule() {
        let (state, moment) = root(&BARE, 11 * T, 2 * T);
        let reason = runway(&state, &moment, false).reason.unwrap();
        for part in [
            "10000000000000 cycles",
            "for 5.0 days",
            "2000000000000 a day",
            "no `refuel",
        ] {
            assert!(reason.contains(part), "{part} is not in: {reason}");
        }
    }

    #[test]
    fn root_tells_the_time_at_which_it_is_at_its_reserve() {
        let (state, moment) = root(&CONFIG, 11 * T, 2 * T);
        let funding = root_funding(&state, &moment);
        assert_eq!(funding.dry_at, Some(7 * DAY));
        assert_eq!(funding.days_left, Some(5.0));
        assert_eq!(funding.level, Level::Critical);
        // Nothing is spent: it lasts longer than time does.
        let (state, moment) = root(&CONFIG, u128::MAX / 2, 0);
        let funding = root_funding(&state, &moment);
        assert_eq!(funding.dry_at, Some(u64::MAX));
    }

    #[test]
    fn a_root_that_refuels_looks_in_time_for_the_threshold() {
        let next = |balance| {
            let (state, moment) = root(&CONFIG, balance, T);
            next_look_at(&state, &moment) - moment.now
        };
        assert_eq!(next(111 * T), LONGEST_PAUSE);
        assert_eq!(next(109 * T), DAY);
        assert_eq!(next(51 * T), DAY / 2);
    }

    #[test]
    fn root_looks_again_at_half_of_the_time_that_is_left() {
        assert_eq!(pause(None), DAY);
        assert_eq!(pause(Some(100.0)), LONGEST_PAUSE);
        assert_eq!(pause(Some(59.0)), DAY);
        assert_eq!(pause(Some(1.0)), DAY / 2);
        assert_eq!(pause(Some(0.0)), SHORTEST_PAUSE);
    }
}
