//! The alarm: the timers that wake root's background work.
//!
//! A timer that runs once can be lost with the message that it sends. So a watchdog runs every 30
//! seconds as long as there is work, and every ten minutes while root or its pool is short. An
//! operation that a caller waits for needs none: a call of root to itself drives it, its caller
//! takes it up should that trap, and every trap calls the watchdog as the platform cleans up. While
//! root only waits until it looks at cycles, its own or those of a canister, the watchdog runs when
//! half of that time is over, when it is over, and goes on at this pace. The platform may turn away
//! single runs of it. It ends only if `canister_global_timer` itself traps, and then
//! the next request to root starts it again.

use std::{cell::Cell, time::Duration};

use crate::platform::ic::{self, TimerId};

thread_local! {
    /// The background work. `background` sets it after each install or upgrade.
    static TICK: Cell<Option<fn()>> = const { Cell::new(None) };
    static WATCHDOG: Cell<Option<Watchdog>> = const { Cell::new(None) };
    /// When the next tick is due, in nanoseconds since the epoch.
    static DUE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A single timer that is overdue by so many nanoseconds was lost.
const OVERDUE: u64 = Pace::Work.interval(0);

/// Nanoseconds between two runs of the watchdog at least, while root waits for a look: five
/// minutes.
const MIN_WATCH: u64 = 300_000_000_000;

/// Nanoseconds by which a look may be late: ten minutes.
const LATE: u64 = 600_000_000_000;

/// The repeating timer.
#[derive(Clone, Copy)]
struct Watchdog {
    timer: TimerId,
    pace: Pace,
    /// When it was set: nanoseconds since the epoch.
    since: u64,
    /// Nanoseconds between two runs.
    interval: u64,
}

impl Watchdog {
    /// Whether it also keeps another pace: it runs in time, and not much too often.
    fn keeps(&self, pace: Pace, now: u64) -> bool {
        let Pace::Watch { due } = pace else {
            return self.pace == pace;
        };
        let runs = now.saturating_sub(self.since) / self.interval + 1;
        let next = self.since + runs * self.interval;
        let is_rare = self.interval >= due.saturating_sub(now) / 4;
        matches!(self.pace, Pace::Watch { .. }) && is_rare && next <= due.max(now) + LATE
    }
}

/// How often the watchdog runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Work is open.
    Work,
    /// Nothing is open, but the pool is short: a refill failed, or root can't pay for one. Or a
    /// rollout waits for a time to come, or root itself is low on cycles.
    Wait,
    /// Nothing is open. Root looks at its own cycles or a canister's at this time, in nanoseconds
    /// since the epoch.
    Watch { due: u64 },
}

impl Pace {
    /// Nanoseconds between two runs.
    const fn interval(self, now: u64) -> u64 {
        match self {
            Self::Work => 30_000_000_000,
            Self::Wait => 600_000_000_000,
            Self::Watch { due } => {
                let half = due.saturating_sub(now) / 2;
                if half > MIN_WATCH { half } else { MIN_WATCH }
            }
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

/// Lets the watchdog run at this pace.
pub(crate) fn watch(pace: Pace) {
    let now = ic::now();
    if WATCHDOG.get().is_some_and(|old| old.keeps(pace, now)) {
        return;
    }
    if let Some(old) = WATCHDOG.take() {
        ic::clear_timer(old.timer);
    }
    let interval = pace.interval(now);
    WATCHDOG.set(Some(Watchdog {
        timer: ic::set_interval(Duration::from_nanos(interval), ring),
        pace,
        since: now,
        interval,
    }));
}

/// Lets the watchdog wait until a time in nanoseconds since the epoch, if it only waits for a look.
pub(crate) fn wait_until(due: u64) {
    let waits = |watchdog: Watchdog| matches!(watchdog.pace, Pace::Watch { .. });
    if WATCHDOG.get().is_some_and(waits) {
        watch(Pace::Watch { due });
    }
}

/// Arms the platform's timer again, if the watchdog waits for it in vain. The platform disarms its
/// timer when it runs, and a trap of `canister_global_timer` loses it for all timers of root.
pub(crate) fn revive() {
    if WATCHDOG.get().is_some() {
        ic::arm_if_disarmed();
    }
}
