//! A fleet's time.

use std::time::Duration;

use super::Fleet;
use crate::{harness::MAX_ROUNDS, network::Network};

impl Fleet {
    /// The time, in nanoseconds since 1970.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.harness().replica.time()
    }

    /// Lets time pass. Timers that are due fire in the rounds that follow.
    ///
    /// # Panics
    /// Beyond the year 2262.
    pub fn pass(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).expect("less than 500 years");
        self.harness().pass(nanoseconds);
    }

    /// Executes one round. Time stands still.
    pub fn tick(&self) {
        self.harness().tick();
    }

    /// Executes rounds, and lets time pass where nothing runs, until no operation is open and no
    /// rollout goes on.
    ///
    /// # Panics
    /// When that never happens: with what is still open.
    pub fn until_quiet(&self) {
        let settled = self.harness().settle();
        settled.unwrap_or_else(|why| panic!("{why}"));
    }

    /// Executes rounds, and lets time pass where nothing runs, until a condition holds.
    ///
    /// # Panics
    /// When it never holds.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        self.harness().forget_idle_rounds();
        for _ in 0..MAX_ROUNDS {
            if holds(self) {
                return;
            }
            self.harness().step();
        }
        panic!("it never happens that {what}");
    }
}
