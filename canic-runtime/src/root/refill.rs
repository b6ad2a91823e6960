//! The refill of the pool: when root creates canisters for it, and how many.

use std::cell::Cell;

use crate::{
    api::OperationId,
    operation::{End, Moment, Operation, Purpose, Step, policy, transition::backoff},
    root::alarm,
    stable::record::Cycles,
    state::{self, State},
};

/// Nanoseconds until the next refill after [`MAX_LOST`] of them: a day.
const LOST_PAUSE: u64 = 86_400_000_000_000;

/// Refills in a row that may lose a canister each before root pauses. A search for a lost canister
/// begins with a creation that succeeds.
const MAX_LOST: u32 = 3;

/// The refills that failed in a row, and the pause after them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Failures {
    count: u32,
    /// Nanoseconds since the epoch.
    paused_until: u64,
}

impl Failures {
    /// The failures after one more refill ended.
    fn after(self, end: End, now: u64) -> Self {
        let count = self.count + 1;
        let pause = match end {
            End::Done => return Self::default(),
            End::Quarantined if count >= MAX_LOST => LOST_PAUSE,
            _ => backoff(count),
        };
        Self {
            count,
            paused_until: now + pause,
        }
    }
}

thread_local! {
    static FAILURES: Cell<Failures> = const {
        Cell::new(Failures { count: 0, paused_until: 0 })
    };
}

/// Records how a refill ended.
pub(crate) fn record(end: End, now: u64) {
    FAILURES.set(FAILURES.get().after(end, now));
}

/// Wakes the background work if the pool is short: at once, or after the pause.
pub(crate) fn wake_if_short(now: u64) {
    if state::with(|state| state.pool_shortage(now)) > 0 {
        alarm::wake_within(FAILURES.get().paused_until.saturating_sub(now));
    }
}

/// Wakes the background work when the pause after failed refills ends, if the pool is short.
pub(crate) fn wake_after_pause(moment: &Moment) {
    let pause = FAILURES.get().paused_until.saturating_sub(moment.now);
    if pause > 0 && state::with(|state| state.pool_shortage(moment.now)) > 0 {
        alarm::wake_within(pause);
    }
}

/// Accepts the refills that are due, and answers their operations.
pub(crate) fn begin(moment: &Moment) -> Vec<OperationId> {
    if FAILURES.get().paused_until > moment.now {
        return Vec::new();
    }
    state::with(|state| accept(state, moment))
}

/// Puts as many refills on record as the pool lacks and root can pay for.
fn accept(state: &mut State, moment: &Moment) -> Vec<OperationId> {
    let Some(pool) = &state.config.pool else {
        return Vec::new();
    };
    let price = pool.cycles + moment.creation_fee;
    let mut accepted = Vec::new();
    for _ in 0..state.pool_shortage(moment.now) {
        if state.refills_in_flight() >= policy::MAX_BACKGROUND
            || state.running() >= policy::MAX_RUNNING
            || state.available(moment.balance) < price + policy::FEES
        {
            break;
        }
        let id = state.take_operation_id();
        let mut op = Operation::new(id, Purpose::Refill, Step::Create, moment.now);
        op.money.reserved = Cycles(price);
        state.journal.put(op);
        accepted.push(id);
    }
    accepted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{PoolConfig, RootConfig},
        root::steps::tests::{FEE, T, moment, state_of},
    };

    static CONFIG: RootConfig = RootConfig {
        pool: Some(PoolConfig {
            min: 3,
            max: 10,
            cycles: T,
        }),
        reserve: T,
        budget: None,
        refuel: None,
        roles: &[],
    };

    #[test]
    fn the_pool_is_refilled_to_its_minimum_and_the_price_is_reserved() {
        let mut state = state_of(&CONFIG);
        let accepted = accept(&mut state, &moment());
        assert_eq!(accepted, [1, 2, 3]);
        assert_eq!(state.journal.reserved(), 3 * (T + FEE));
        assert!(
            accept(&mut state, &moment()).is_empty(),
            "they are in flight"
        );
    }

    #[test]
    fn a_refill_that_root_cannot_pay_for_above_its_reserve_waits() {
        let mut state = state_of(&CONFIG);
        let enough_for_two = Moment {
            balance: CONFIG.reserve + 2 * (T + FEE) + policy::FEES,
            ..moment()
        };
        assert_eq!(accept(&mut state, &enough_for_two).len(), 2);
    }

    #[test]
    fn pauses_between_failed_refills_grow_and_lost_canisters_pause_for_a_day() {
        let first = Failures::default().after(End::Nothing, 5);
        assert_eq!(first.paused_until, 5 + backoff(1));
        let third = first.after(End::Quarantined, 5).after(End::Quarantined, 5);
        assert_eq!(third.paused_until, 5 + LOST_PAUSE);
        assert_eq!(third.after(End::Done, 5), Failures::default());
    }
}
