//! The author's `start` hook: runs after the install and after each upgrade, and is retried with
//! growing pauses until it succeeds.

use std::{cell::Cell, future::Future, pin::Pin, time::Duration};

use crate::platform::{
    awaits::OpenFunction,
    ic::{self, Level, TimerId},
    message,
};

/// The author's hook as a task.
type Task = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// The state of the hook since the code started.
#[derive(Clone, Copy)]
enum Start {
    /// The next try is due at this time, in nanoseconds since 1970.
    Due(u64),
    Running,
    Done,
}

thread_local! {
    static HOOK: Cell<Option<fn() -> Task>> = const { Cell::new(None) };
    static START: Cell<Start> = const { Cell::new(Start::Due(0)) };
    static TRIES: Cell<u32> = const { Cell::new(0) };
    static WATCH: Cell<Option<TimerId>> = const { Cell::new(None) };
}

/// The interval of the watchdog, which makes up for a try whose timer was lost: with a message that
/// the platform turned away, or that trapped.
const WATCH_INTERVAL: Duration = Duration::from_secs(60);

/// Runs the hook after the present message, and again until it succeeds. Two tries never overlap.
pub fn start(hook: fn() -> Task) {
    HOOK.set(Some(hook));
    attempt_after(Duration::ZERO);
    let watch = ic::set_interval(WATCH_INTERVAL, || message::spawn(attempt()));
    WATCH.set(Some(watch));
}

fn attempt_after(pause: Duration) {
    ic::set_timer(pause, async { attempt().await });
}

async fn attempt() {
    let (Some(hook), now) = (HOOK.get(), ic::now()) else {
        return;
    };
    match START.get() {
        Start::Due(at) if at <= now => START.set(Start::Running),
        _ => return,
    }
    let tries = TRIES.get() + 1;
    TRIES.set(tries);
    let pause = pause_after(tries);
    let _running = Running {
        next: now + pause.as_nanos() as u64,
        _open: OpenFunction::begin("start"),
    };
    // The next try is scheduled before the hook runs, as a trap after an await ends this task.
    attempt_after(pause);
    match hook().await {
        Ok(()) => {
            START.set(Start::Done);
            if let Some(watch) = WATCH.take() {
                ic::clear_timer(watch);
            }
        }
        Err(reason) => ic::log(
            Level::Error,
            format_args!("start failed, try {tries}: {reason:.200}"),
        ),
    }
}

/// A try under way. If it ends without success, or by a trap, the next one becomes due.
struct Running {
    next: u64,
    _open: OpenFunction,
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(START.get(), Start::Running) {
            START.set(Start::Due(self.next));
        }
    }
}

/// The pause after a try: 1, 2, 4, .. seconds, ten minutes at most.
fn pause_after(tries: u32) -> Duration {
    Duration::from_secs((1 << (tries - 1).min(10)).min(600))
}

#[cfg(test)]
mod tests {
    use super::pause_after;

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        let pauses = [1, 2, 3, 10, 11, 12, u32::MAX].map(|tries| pause_after(tries).as_secs());
        assert_eq!(pauses, [1, 2, 4, 512, 600, 600, 600]);
    }
}
