//! Root's background work: takes up operations without a driver, refills the pool, announces.

use crate::{
    api::OperationId,
    operation::Admission,
    platform::ic,
    root::{
        alarm::{self, Pace},
        delivery, driver, funding, pace, refill, refuel, runway,
    },
    state::{self, State},
};

/// Begins the background work after an install or an upgrade. The code before may have left some.
pub(crate) fn start() {
    alarm::connect(tick);
    alarm::watch(Pace::Work);
    alarm::wake_within(0);
}

/// Does the work that is due.
fn tick() {
    let moment = ic::moment();
    let now = moment.now;
    driver::begin_queued(&moment);
    driver::begin_upgrades(now);
    // The watchdog ticks at least once after an operation that lost a canister.
    state::with(State::search_for_lost);
    let Work { due, next } = state::with(|state| work(state, now, driver::is_driven));
    due.into_iter().for_each(driver::spawn);
    if let Some(next) = next {
        alarm::wake_within(next - now);
    }
    refill::begin(&moment).into_iter().for_each(driver::spawn);
    refuel::begin(&moment).into_iter().for_each(driver::spawn);
    runway::look(&moment);
    delivery::begin();
    funding::begin();
    delivery::wake();
    refill::wake_after_pause(&moment);
    refuel::wake_if_low(&moment);
    alarm::watch(state::with(|state| pace::pace(state, &moment)));
}

/// The open operations that need the background work.
#[derive(Debug, PartialEq, Eq)]
struct Work {
    /// Operations that are due and have no driver.
    due: Vec<OperationId>,
    /// When the next operation is due: nanoseconds since the epoch.
    next: Option<u64>,
}

fn work(state: &State, now: u64, is_driven: impl Fn(OperationId) -> bool) -> Work {
    let begun = || {
        let open = state.journal.open_operations();
        open.filter(|op| op.admission != Admission::Queued)
    };
    let due = begun()
        .filter(|op| op.retry.not_before <= now && !is_driven(op.id))
        .map(|op| op.id)
        .collect();
    let later = begun().map(|op| op.retry.not_before).filter(|at| *at > now);
    Work {
        due,
        next: later.min(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        operation::{Operation, Purpose, Step},
        root::steps::tests::{BARE, state_of},
    };

    #[test]
    fn operations_that_are_due_and_undriven_are_taken_up_and_the_next_one_is_awaited() {
        let mut state = state_of(&BARE);
        let mut put = |id, not_before, admission| {
            let mut op = Operation::new(id, Purpose::Refill, Step::Create, 0);
            op.retry.not_before = not_before;
            op.admission = admission;
            state.journal.put(op);
        };
        put(1, 0, Admission::Immediate);
        put(2, 10, Admission::Dequeued);
        put(3, 30, Admission::Immediate);
        put(4, 40, Admission::Immediate);
        put(5, 0, Admission::Queued);
        let expected = Work {
            due: vec![2],
            next: Some(30),
        };
        assert_eq!(work(&state, 10, |id| id == 1), expected);
    }
}
