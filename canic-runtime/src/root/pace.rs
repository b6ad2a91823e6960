//! How often root's watchdog has to run.

use crate::{
    operation::{Moment, rollout::Rollout},
    root::{alarm::Pace, refuel, runway},
    state::State,
};

/// How often the background work must run again, whichever messages are lost. Without work left,
/// root sleeps until its next look at its own cycles or a canister's.
pub(crate) fn pace(state: &State, moment: &Moment) -> Pace {
    if is_open(state) {
        Pace::Work
    } else if is_short(state, moment) {
        Pace::Wait
    } else {
        let looks = state.next_look_at().into_iter();
        let due = looks.fold(runway::next_look_at(state, moment), u64::min);
        Pace::Watch { due }
    }
}

/// Whether the background work has anything to do, or will soon, but for looks at cycles.
pub(crate) fn has_work(state: &State, moment: &Moment) -> bool {
    is_open(state) || is_short(state, moment)
}

/// Whether work is open.
fn is_open(state: &State) -> bool {
    state.journal.open_count() > 0
        || state.outbox.subscribers_pending() > 0
        || state.rollouts.open_ones().any(Rollout::has_work)
}

/// Whether root waits, or lacks something that it tries to get from time to time.
fn is_short(state: &State, moment: &Moment) -> bool {
    state.pool_shortage(moment.now) > 0
        || state.rollouts.open_ones().any(Rollout::waits)
        || refuel::is_low(state, moment.balance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{FuelSource, PoolConfig, RefuelConfig, RootConfig},
        operation::{Operation, Purpose, Step},
        root::steps::tests::{BARE, T, moment, state_of},
    };

    #[test]
    fn root_looks_once_a_day_without_work_and_more_often_while_it_or_its_pool_is_short() {
        let mut idle = state_of(&BARE);
        assert!(matches!(pace(&idle, &moment()), Pace::Watch { .. }));
        let op = Operation::new(1, Purpose::Refill, Step::Create, 0);
        idle.journal.put(op);
        assert_eq!(pace(&idle, &moment()), Pace::Work);
        static SHORT: RootConfig = RootConfig {
            pool: Some(PoolConfig {
                min: 1,
                max: 2,
                cycles: 1,
            }),
            ..BARE
        };
        let short = state_of(&SHORT);
        assert_eq!(pace(&short, &moment()), Pace::Wait);
        static LOW: RootConfig = RootConfig {
            refuel: Some(RefuelConfig {
                below: 101 * T,
                to: 200 * T,
                sources: &[FuelSource::Cycles],
            }),
            ..BARE
        };
        let low = state_of(&LOW);
        assert_eq!(pace(&low, &moment()), Pace::Wait);
    }
}
