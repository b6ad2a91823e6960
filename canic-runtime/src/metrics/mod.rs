//! Metrics: what is counted while the canister runs.
//!
//! `vocabulary` says which families of values there are, what they mean and how they are measured; `forms` tells them as
//! Candid and as Prometheus text. Counters live on the heap and begin anew with every upgrade, as Prometheus expects of
//! a process that restarts. What an update that traps had counted is rolled back with it; traps after an await are
//! counted by the cleanup.

mod forms;
pub(crate) mod http;
mod vocabulary;

pub(crate) use forms::{page, prometheus};
pub(crate) use vocabulary::{Family, MEMBER, ROOT};

use crate::{
    api::OperationKind,
    operation::{End, Step},
};
use std::{cell::RefCell, collections::BTreeMap};

thread_local! {
    static OPERATIONS: RefCell<Latencies> = const { RefCell::new(BTreeMap::new()) };
    static STEPS: RefCell<Latencies> = const { RefCell::new(BTreeMap::new()) };
}

// Operations and their steps

/// How the call of a step ended.
#[derive(Clone, Copy)]
pub(crate) enum StepOutcome {
    Applied,
    NotApplied,
    Unknown,
}

/// Latencies by two labels, each the number of its word in the vocabulary.
type Latencies = BTreeMap<[usize; 2], Histogram>;

/// Upper bounds of the buckets of latencies, in seconds.
const BOUNDS: [u32; 8] = [1, 2, 5, 10, 30, 60, 300, 3_600];

/// How often something took how long.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    /// One for each of [`BOUNDS`], and one for what took longer.
    buckets: [u64; BOUNDS.len() + 1],
    nanoseconds: u64,
}

impl Histogram {
    fn observe(&mut self, nanoseconds: u64) {
        let fits = |bound: &u32| nanoseconds <= u64::from(*bound) * 1_000_000_000;
        let bucket = BOUNDS.iter().position(fits).unwrap_or(BOUNDS.len());
        self.buckets[bucket] += 1;
        self.nanoseconds += nanoseconds;
    }

    fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }
}

/// Counts an operation that ended so many nanoseconds after it was accepted.
pub(crate) fn operation(kind: OperationKind, end: End, nanoseconds: u64) {
    let words = [kind as usize, end as usize];
    OPERATIONS.with_borrow_mut(|all| all.entry(words).or_default().observe(nanoseconds));
}

/// Counts a step whose call came back after so many nanoseconds.
pub(crate) fn step(step: Step, outcome: StepOutcome, nanoseconds: u64) {
    let words = [step as usize, outcome as usize];
    STEPS.with_borrow_mut(|all| all.entry(words).or_default().observe(nanoseconds));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_counts_in_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::default();
        for nanoseconds in [
            0,
            1_000_000_000,
            1_000_000_001,
            3_600_000_000_000,
            u64::MAX / 2,
        ] {
            histogram.observe(nanoseconds);
        }
        assert_eq!(histogram.buckets, [2, 1, 0, 0, 0, 0, 0, 1, 1]);
    }
}
