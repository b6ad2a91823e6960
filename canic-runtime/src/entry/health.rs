//! A member's health: whether its `start` hook has ended well, and what its `health` hook says.

use std::cell::Cell;

use crate::{api::Health, config::HealthHook};

/// Says whether `start` has ended well, or why not.
type Started = fn() -> Result<(), String>;

thread_local! {
    /// Says whether `start` has ended well. None: the member has no such hook, and no code for it.
    static STARTED: Cell<Option<Started>> = const { Cell::new(None) };
}

/// Connects the `start` hook.
pub(super) fn set_started(started: Started) {
    STARTED.set(Some(started));
}

/// The health of a member without a `health` hook.
pub(super) fn without_hook() -> Health {
    match STARTED.get().map(|started| started()) {
        Some(Err(reason)) => Health::Starting(reason),
        Some(Ok(())) | None => Health::Healthy,
    }
}

/// The health of this member now, as its `health` hook says once it has started.
pub(super) async fn ask(hook: HealthHook) -> Health {
    match without_hook() {
        Health::Healthy => match hook().await {
            Ok(()) => Health::Healthy,
            Err(reason) => Health::Unhealthy(reason),
        },
        starting => starting,
    }
}
