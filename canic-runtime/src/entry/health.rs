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

/// The health of this member now.
pub(super) async fn health(hook: Option<HealthHook>) -> Health {
    if let Some(Err(reason)) = STARTED.get().map(|started| started()) {
        return Health::Starting(reason);
    }
    match hook {
        None => Health::Healthy,
        Some(hook) => match hook().await {
            Ok(()) => Health::Healthy,
            Err(reason) => Health::Unhealthy(reason),
        },
    }
}
