//! Metrics: families of values, their vocabulary, and the two forms in which they are served.
//!
//! `vocabulary` is the table of the families of every canister; root's own are in
//! `root/metrics.rs`. `forms` renders both as Candid and as Prometheus text. Counters live on the
//! heap and restart with every upgrade, as Prometheus expects of a process that restarts. A trap
//! rolls back the counters of its message; a trap after an await is counted by the cleanup callback.

mod family;
mod forms;
mod histogram;
pub(crate) mod http;
mod vocabulary;

pub(crate) use family::{Family, Kind, Label};
pub(crate) use forms::{page, prometheus};
pub(crate) use histogram::Latencies;
pub(crate) use vocabulary::MEMBER;

use crate::{endpoint::Endpoint, platform::ic};
use std::{
    cell::Cell,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

thread_local! {
    static LAST_CALLED: Cell<Option<&'static Endpoint>> = const { Cell::new(None) };
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
