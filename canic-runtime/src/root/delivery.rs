//! Delivery: performs what `announce` has on record. Each listener is told by a task of its own, and one that does not answer
//! is asked again later; none waits for another.
//!
//! The calls are best-effort ones: what is told has a number, so that telling it twice does no harm, and an answer that does
//! not come keeps root from nothing.

use crate::{
    api::Change,
    platform::{ic, message},
    root::driver,
    state,
};
use candid::Principal;
use std::{cell::RefCell, collections::BTreeSet};

thread_local! {
    /// Who is being told something in this life of the code.
    static TELLING: RefCell<BTreeSet<Principal>> = const { RefCell::new(BTreeSet::new()) };
}

/// The mark that a task tells a listener something. It goes when the task does, also when a trap ends it.
struct Telling(Principal);

impl Telling {
    fn begin(listener: Principal) -> Option<Self> {
        let begun = TELLING.with_borrow_mut(|telling| telling.insert(listener));
        begun.then(|| Self(listener))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        TELLING.with_borrow_mut(|telling| telling.remove(&self.0));
    }
}

/// Begins to tell those who are due, as many as may be told something at once.
pub(crate) fn begin() {
    let due =
        TELLING.with_borrow(|telling| state::with(|state| state.outbox.due(ic::now(), telling)));
    for listener in due {
        message::spawn(tell(listener));
    }
}

/// When somebody is to be told something whom nobody is telling it: nanoseconds since the epoch.
pub(crate) fn next() -> Option<u64> {
    TELLING.with_borrow(|telling| state::with(|state| state.outbox.next(telling)))
}

/// Tells a listener all that there is, unless it does not hear.
async fn tell(listener: Principal) {
    let Some(telling) = Telling::begin(listener) else {
        return;
    };
    while let Some(announcement) = state::with(|state| state.outbox.announcement(listener)) {
        let upto = announcement.upto;
        let of_itself = |change: &&Change| change.canister == listener;
        let standing = announcement.changes.iter().rfind(of_itself);
        let heard = match standing.and_then(|change| change.now.clone()) {
            Some(standing) => ic::sync(listener, standing).await,
            None => true,
        };
        let heard = heard && ic::announce(listener, &announcement).await;
        state::with(|state| {
            if heard {
                state.outbox.heard(listener, upto);
            } else {
                state.outbox.unheard(listener, ic::now());
            }
        });
        if !heard {
            break;
        }
    }
    drop(telling);
    // There may be others for whom there was no room.
    begin();
    driver::wake_to_deliver();
}
