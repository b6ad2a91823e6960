//! Root's refuels: when root gets cycles for itself, and out of which source.

use std::cell::Cell;

use crate::{
    api::{OperationId, OperationKind},
    operation::{
        End, Moment, Operation, Purpose,
        fuel::{Fuel, Refuel},
    },
    root::alarm,
    state::{self, State},
};

/// Nanoseconds until a source is asked again after one failure: ten minutes. The pause doubles with
/// each further one, up to six hours.
const PAUSE: u64 = 600_000_000_000;

/// The refuels from one source that failed in a row, and the pause after them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Failures {
    count: u32,
    /// Nanoseconds since the epoch.
    paused_until: u64,
}

impl Failures {
    const NONE: Self = Self {
        count: 0,
        paused_until: 0,
    };

    /// The failures after one more refuel ended.
    fn after(self, end: End, now: u64) -> Self {
        if end == End::Done {
            return Self::NONE;
        }
        let count = self.count + 1;
        let pause = (PAUSE << (count - 1).min(6)).min(36 * PAUSE);
        Self {
            count,
            paused_until: now + pause,
        }
    }
}

/// The failures of all sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct AllFailures {
    cycles: Failures,
    icp: Failures,
}

impl AllFailures {
    const NONE: Self = Self {
        cycles: Failures::NONE,
        icp: Failures::NONE,
    };

    fn of(&mut self, source: Fuel) -> &mut Failures {
        match source {
            Fuel::Cycles => &mut self.cycles,
            Fuel::Icp => &mut self.icp,
        }
    }
}

thread_local! {
    static FAILURES: Cell<AllFailures> = const { Cell::new(AllFailures::NONE) };
}

/// Records how a refuel ended.
pub(crate) fn record(source: Fuel, end: End, now: u64) {
    let mut all = FAILURES.get();
    let failures = all.of(source);
    *failures = failures.after(end, now);
    FAILURES.set(all);
}

/// Whether the last refuel from each configured source failed.
pub(crate) fn has_failed(state: &State) -> bool {
    let mut all = FAILURES.get();
    let rule = state.config.refuel.as_ref();
    rule.is_some_and(|rule| {
        let mut sources = rule.sources.iter();
        sources.all(|source| all.of((*source).into()).count > 0)
    })
}

/// Whether root has fewer cycles than its configuration lets it refuel at.
pub(crate) fn is_low(state: &State, balance: u128) -> bool {
    let rule = state.config.refuel.as_ref();
    rule.is_some_and(|rule| balance < rule.below)
}

/// Wakes the background work if root is low on cycles: at once, or after the pause.
pub(crate) fn wake_if_low(moment: &Moment) {
    let mut failures = FAILURES.get();
    let due = state::with(|state| due(state, moment, |source| failures.of(source).paused_until));
    if let Some((_, at)) = due {
        alarm::wake_within(at.saturating_sub(moment.now));
    }
}

/// Accepts the refuel that is due, and answers its operation.
pub(crate) fn begin(moment: &Moment) -> Option<OperationId> {
    let mut failures = FAILURES.get();
    state::with(|state| accept(state, moment, |source| failures.of(source).paused_until))
}

fn accept(
    state: &mut State,
    moment: &Moment,
    paused_until: impl FnMut(Fuel) -> u64,
) -> Option<OperationId> {
    let (source, at) = due(state, moment, paused_until)?;
    let rule = state.config.refuel.as_ref()?;
    let wanted = rule.to.saturating_sub(moment.balance);
    (at <= moment.now).then(|| put(state, source, wanted, moment.now))
}

/// The source of the next refuel, and the time at which it is due. `None`: root has enough, or is
/// refuelling.
fn due(
    state: &State,
    moment: &Moment,
    mut paused_until: impl FnMut(Fuel) -> u64,
) -> Option<(Fuel, u64)> {
    if !is_low(state, moment.balance) || state.journal.open_of(OperationKind::Refuel) > 0 {
        return None;
    }
    let rule = state.config.refuel.as_ref()?;
    let sources = rule.sources.iter().map(|source| Fuel::from(*source));
    let sources = sources.map(|source| (source, paused_until(source).max(moment.now)));
    // Of those that are due now, the first one.
    sources.min_by_key(|(_, at)| *at)
}

/// Puts a refuel on record.
pub(crate) fn put(state: &mut State, source: Fuel, wanted: u128, now: u64) -> OperationId {
    let id = state.take_operation_id();
    let purpose = Purpose::Refuel(Refuel::new(source, wanted));
    let op = Operation::new(id, purpose, Refuel::first_step(source), now);
    state.journal.put(op);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{FuelSource, RefuelConfig, RootConfig},
        operation::Step,
        root::steps::tests::{BARE, T, moment, state_of},
    };

    static CONFIG: RootConfig = RootConfig {
        refuel: Some(RefuelConfig {
            below: 50 * T,
            to: 80 * T,
            sources: &[FuelSource::Cycles, FuelSource::Icp],
        }),
        ..BARE
    };

    fn low() -> Moment {
        Moment {
            balance: 49 * T,
            ..moment()
        }
    }

    #[test]
    fn root_refuels_once_when_it_is_low() {
        let mut state = state_of(&CONFIG);
        assert_eq!(accept(&mut state, &moment(), |_| 0), None, "it has 100 T");
        let id = accept(&mut state, &low(), |_| 0).expect("it is low");
        let op = state.journal.get(id).unwrap();
        let Purpose::Refuel(refuel) = &op.purpose else {
            panic!("{op:?}");
        };
        assert_eq!(*refuel, Refuel::new(Fuel::Cycles, 31 * T));
        assert_eq!(accept(&mut state, &low(), |_| 0), None, "one at a time");
    }

    #[test]
    fn the_next_source_is_asked_while_the_first_one_pauses() {
        let mut state = state_of(&CONFIG);
        let now = low().now;
        let of_cycles = |source| u64::from(source == Fuel::Cycles) * (now + 9);
        let id = accept(&mut state, &low(), of_cycles).expect("ICP is due");
        assert_eq!(state.journal.get(id).map(|op| op.step), Some(Step::Quote));
        let state = state_of(&CONFIG);
        let of_both = |source| now + 5 + u64::from(source == Fuel::Cycles);
        assert_eq!(due(&state, &low(), of_both), Some((Fuel::Icp, now + 5)));
    }

    #[test]
    fn a_root_without_a_rule_never_refuels_by_itself() {
        let mut state = state_of(&BARE);
        let poor = Moment {
            balance: 0,
            ..moment()
        };
        assert_eq!(accept(&mut state, &poor, |_| 0), None);
    }

    #[test]
    fn pauses_double_up_to_six_hours_and_end_with_a_success() {
        let mut failures = Failures::NONE;
        let minutes: Vec<u64> = (0..9)
            .map(|_| {
                failures = failures.after(End::Nothing, 0);
                failures.paused_until / (PAUSE / 10)
            })
            .collect();
        assert_eq!(minutes, [10, 20, 40, 80, 160, 320, 360, 360, 360]);
        assert_eq!(failures.after(End::Done, 5), Failures::NONE);
    }
}
