//! The author's `start`: after the install and after every upgrade, and again with growing pauses until it succeeds.

use crate::platform::ic::{self, Level, TimerId};
use std::{cell::Cell, future::Future, pin::Pin, time::Duration};

/// The author's hook as a task.
type Task = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// How it stands in this life of the code.
#[derive(Clone, Copy)]
enum Start {
    /// The next try, nanoseconds since 1970.
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

/// How often a try is made up for whose timer was lost: with a message that the platform turned away, or that trapped.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Runs the hook after the present message, and again until it has succeeded; never twice at once.
pub fn start(hook: fn() -> Task) {
    HOOK.set(Some(hook));
    attempt_after(Duration::ZERO);
    let watch = ic::every(LOOK_AGAIN, || ic_cdk::futures::spawn(attempt()));
    WATCH.set(Some(watch));
}

fn attempt_after(pause: Duration) {
    ic::after(pause, async { attempt().await });
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
    };
    // Armed before the hook runs: a trap after an await must not be the end of it.
    attempt_after(pause);
    match hook().await {
        Ok(()) => {
            START.set(Start::Done);
            if let Some(watch) = WATCH.take() {
                ic::cancel(watch);
            }
        }
        Err(reason) => ic::log(
            Level::Error,
            format_args!("start failed, try {tries}: {reason:.200}"),
        ),
    }
}

/// A try. When it is over without success, be it by a trap, another one is due.
struct Running {
    next: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(START.get(), Start::Running) {
            START.set(Start::Due(self.next));
        }
    }
}

/// How long after a try the next one is due: 1, 2, 4, .. seconds, ten minutes at most.
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
