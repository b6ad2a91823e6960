//! The alarm: the timers that wake root's background work.
//!
//! A timer that runs once can be lost with the message that it sends. So a watchdog runs every 30
//! seconds as long as there is work, every ten minutes while root or its pool is short, and once a
//! day otherwise. The platform may turn away single runs of it. It ends only if `canister_global_timer` itself traps, and then
//! the next request to root starts it again.

use std::{cell::Cell, time::Duration};

use crate::platform::ic::{self, TimerId};

thread_local! {
    /// The background work. `background` sets it after each install or upgrade.
    static TICK: Cell<Option<fn()>> = const { Cell::new(None) };
    static WATCHDOG: Cell<Option<(TimerId, Pace)>> = const { Cell::new(None) };
    /// When the next tick is due, in nanoseconds since the epoch.
    static DUE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A single timer that is overdue by so many nanoseconds was lost.
const OVERDUE: u64 = Pace::Work.interval();

/// How often the watchdog runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Work is open.
    Work,
    /// Nothing is open, but the pool is short: a refill failed, or root can't pay for one. Or root
    /// itself is low on cycles.
    Wait,
    /// Nothing is open. Root looks at its own cycles.
    Look,
}

impl Pace {
    /// Nanoseconds between two runs.
    const fn interval(self) -> u64 {
        match self {
            Self::Work => 30_000_000_000,
            Self::Wait => 600_000_000_000,
            Self::Look => 86_400_000_000_000,
        }
    }
}

/// Connects the alarm to the background work.
pub(crate) fn connect(tick: fn()) {
    TICK.set(Some(tick));
}

fn ring() {
    DUE.set(None);
    if let Some(tick) = TICK.get() {
        tick();
    }
}

/// Makes sure that the background work runs within this many nanoseconds.
pub(crate) fn wake_within(nanoseconds: u64) {
    let now = ic::now();
    let due = now + nanoseconds;
    let covers = |other| other <= due && other + OVERDUE > now;
    if DUE.get().is_some_and(covers) {
        return;
    }
    DUE.set(Some(due));
    ic::set_timer(Duration::from_nanos(nanoseconds), async move {
        // An earlier tick leaves this timer behind, and the timer then finds nothing due.
        if DUE.get() == Some(due) {
            ring();
        }
    });
}

/// Lets the watchdog run at this pace; without one it stops.
pub(crate) fn watch(pace: Option<Pace>) {
    if WATCHDOG.get().map(|(_, pace)| pace) == pace {
        return;
    }
    if let Some((timer, _)) = WATCHDOG.take() {
        ic::clear_timer(timer);
    }
    WATCHDOG.set(pace.map(|pace| {
        let timer = ic::set_interval(Duration::from_nanos(pace.interval()), ring);
        (timer, pace)
    }));
}

/// Arms the platform's timer again, if the watchdog waits for it in vain. The platform disarms its
/// timer when it runs, and a trap of `canister_global_timer` loses it for all timers of root.
pub(crate) fn revive() {
    if WATCHDOG.get().is_some() {
        ic::arm_if_disarmed();
    }
}
