//! The looks at canisters' cycles, and the grants that follow from them.
//!
//! A look is a `canister_status`. It changes nothing, so it is no operation: if its answer never
//! comes, the canister is due again after ten minutes. The grant that follows from a look is on
//! record in the message that brings the answer.

use std::cell::Cell;

use crate::{
    operation::call::Call,
    platform::{ic, management, message},
    root::{alarm, driver},
    state::{self, watch::Look},
};

/// Looks at once. Each has one call in flight.
const MAX_LOOKS: u32 = 8;

thread_local! {
    /// Tasks that look at one canister after the other.
    static LOOKERS: Cell<u32> = const { Cell::new(0) };
}

/// A drop guard that counts a task. A trap drops it, too, and for good.
struct Looker;

impl Looker {
    fn begin() -> Self {
        LOOKERS.set(LOOKERS.get() + 1);
        Self
    }
}

impl Drop for Looker {
    fn drop(&mut self) {
        LOOKERS.set(LOOKERS.get().saturating_sub(1));
    }
}

/// Looks at the canisters that are due.
pub(crate) fn begin() {
    while LOOKERS.get() < MAX_LOOKS
        && !ic::is_stopping()
        && let Some(look) = next()
    {
        let looker = Looker::begin();
        message::spawn(async move {
            let _looker = looker;
            let mut next_look = Some(look);
            while let Some(look) = next_look {
                let canister = look.canister;
                let reply = management::perform(Call::Status { canister }).await;
                let moment = ic::moment();
                let granted = state::with(|state| state.end_look(&look, &reply, &moment));
                granted.into_iter().for_each(driver::spawn);
                next_look = if ic::is_stopping() { None } else { next() };
            }
            if LOOKERS.get() == 1
                && let Some(due) = state::with(|state| state.next_look_at())
            {
                alarm::wait_until(due);
            }
        });
    }
}

fn next() -> Option<Look> {
    let now = ic::now();
    state::with(|state| state.next_look(now))
}
