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
    endpoint::Endpoint,
    operation::{End, Step},
    platform::ic,
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

thread_local! {
    static LAST_CALLED: Cell<Option<&'static Endpoint>> = const { Cell::new(None) };
    static OPERATIONS: RefCell<Latencies> = const { RefCell::new(BTreeMap::new()) };
    static STEPS: RefCell<Latencies> = const { RefCell::new(BTreeMap::new()) };
}

// Endpoints

/// How a call of an endpoint ended.
#[derive(Clone, Copy)]
pub(crate) enum CallOutcome {
    Ok,
    /// It answered an `Err`, or could not read its argument.
    Error,
    Denied,
    Trap,
}

/// What is counted about an endpoint, from its first call on.
///
/// It is reached from the endpoint's own static, so that nothing has to be looked up, and lies on the heap, in pages that
/// calls write to anyway: the platform charges for each that a message is the first to write to.
#[derive(Debug)]
pub(crate) struct Calls(OnceLock<Box<Counters>>);

impl Calls {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }
}

/// The calls that ended, by outcome, and the instructions they took. What a static holds must be something that threads
/// could share; where there are none, as in a canister, these atomics are plain numbers.
#[derive(Debug)]
pub(crate) struct Counters {
    /// The endpoint whose first call came before, if there is one.
    before: Option<&'static Endpoint>,
    ended: [AtomicU64; 4],
    instructions: AtomicU64,
}

/// Counts a call that ends.
pub(crate) fn called(endpoint: &'static Endpoint, outcome: CallOutcome) {
    let counters = endpoint.calls.0.get_or_init(|| {
        Box::new(Counters {
            before: LAST_CALLED.replace(Some(endpoint)),
            ended: [const { AtomicU64::new(0) }; 4],
            instructions: AtomicU64::new(0),
        })
    });
    counters.ended[outcome as usize].fetch_add(1, Relaxed);
    counters.instructions.fetch_add(ic::instructions(), Relaxed);
}

/// The endpoint of a name, if it has been called.
pub(crate) fn called_endpoint(name: &str) -> Option<&'static Endpoint> {
    let mut called = last_called_first().map(|(endpoint, _)| endpoint);
    called.find(|endpoint| endpoint.name == name)
}

/// The endpoints that were called, in the order of their first calls.
fn called_endpoints() -> Vec<(&'static Endpoint, &'static Counters)> {
    let mut endpoints: Vec<_> = last_called_first().collect();
    endpoints.reverse();
    endpoints
}

fn last_called_first() -> impl Iterator<Item = (&'static Endpoint, &'static Counters)> {
    let counted = |endpoint: &'static Endpoint| Some((endpoint, &**endpoint.calls.0.get()?));
    let last = LAST_CALLED.get().and_then(counted);
    std::iter::successors(last, move |(_, counters)| counters.before.and_then(counted))
}

// Operations and their steps

/// How the call of a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
