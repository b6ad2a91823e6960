//! Metrics: families of values, their vocabulary, and the two forms in which they are served.
//!
//! `vocabulary` is the table of the families of every canister; root's own are in
//! `root/metrics.rs`. `forms` renders both as Candid and as Prometheus text. Counters live on the
//! heap and restart with every upgrade, as Prometheus expects of a process that restarts. A trap
//! rolls back the counters of its message; a trap after an await is counted by the cleanup
//! callback.

mod family;
mod forms;
mod histogram;
pub(crate) mod http;
mod vocabulary;

pub(crate) use family::{Family, Kind, Label};
pub(crate) use forms::{page, prometheus};
pub(crate) use histogram::Latencies;
pub(crate) use vocabulary::MEMBER;
