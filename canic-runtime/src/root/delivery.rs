//! The delivery of announcements: the calls that announce pending changes to subscribers.
//!
//! Each subscriber has a task of its own, so none waits for another. Root repeats an announcement
//! that the subscriber does not acknowledge. The calls are best-effort: an announcement is
//! idempotent, because its changes are numbered, and a lost reply blocks nothing in root.

use std::{cell::RefCell, collections::BTreeSet};

use candid::Principal;

use crate::{
    api::{Change, MemberRef},
    platform::{calls, ic, message},
    root::alarm::{self, Pace},
    state,
};

thread_local! {
    /// The subscribers that a task is announcing to.
    static DELIVERING: RefCell<BTreeSet<Principal>> = const { RefCell::new(BTreeSet::new()) };
}

/// A drop guard that marks a subscriber as being announced to. A trap drops it, too.
struct Delivering(Principal);

impl Delivering {
    fn begin(subscriber: Principal) -> Option<Self> {
        let begun = DELIVERING.with_borrow_mut(|delivering| delivering.insert(subscriber));
        begun.then(|| Self(subscriber))
    }
}

impl Drop for Delivering {
    fn drop(&mut self) {
        DELIVERING.with_borrow_mut(|delivering| delivering.remove(&self.0));
    }
}

/// Begins to announce to the subscribers that are due, as many as root announces to at once; to
/// none while root is being stopped.
pub(crate) fn begin() {
    if ic::is_stopping() {
        return;
    }
    let now = ic::now();
    let due =
        DELIVERING.with_borrow(|delivering| state::with(|state| state.outbox.due(now, delivering)));
    for subscriber in due {
        message::spawn(deliver(subscriber));
    }
}

/// Makes sure that the background work runs when the next delivery is due.
pub(crate) fn wake() {
    let next =
        DELIVERING.with_borrow(|delivering| state::with(|state| state.outbox.next_due(delivering)));
    if let Some(at) = next {
        alarm::watch(Pace::Work);
        alarm::wake_within(at.saturating_sub(ic::now()));
    }
}

/// Announces all pending changes to a subscriber, until it fails to acknowledge one.
async fn deliver(subscriber: Principal) {
    let Some(delivering) = Delivering::begin(subscriber) else {
        return;
    };
    while !ic::is_stopping()
        && let Some(announcement) = state::with(|state| state.outbox.announcement(subscriber))
    {
        let upto = announcement.upto;
        let synced = match own_position(subscriber, &announcement.changes) {
            Some(position) => calls::sync(subscriber, position).await,
            None => true,
        };
        let acked = synced && calls::announce(subscriber, &announcement).await;
        let now = ic::now();
        state::with(|state| {
            if acked {
                state.outbox.ack(subscriber, upto);
            } else {
                state.outbox.nack(subscriber, now);
            }
        });
        if !acked {
            break;
        }
    }
    drop(delivering);
    // Another delivery may have waited for the end of this one.
    begin();
    wake();
}

/// The subscriber's own latest position among the changes. Root sends it by `canic_sync`.
fn own_position(subscriber: Principal, changes: &[Change]) -> Option<MemberRef> {
    let own = changes
        .iter()
        .rfind(|change| change.canister == subscriber)?;
    own.now.clone()
}
