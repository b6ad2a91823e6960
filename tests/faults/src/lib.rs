//! The fault matrix: after any failure at any await, root's records and ledger still agree with the
//! replica.
//!
//! A [`World`] is an instance of the replica with a root of real Wasm on it. A [`Scenario`]
//! prepares a world for an operation, and starts the operation. The matrix reads the awaits of a
//! scenario off the trace of a run without failures ([`matrix::Prepared`]). At each await it tries
//! every failure ([`case::Site::failures`]): alone, in pairs, and in random histories of many
//! operations. After each [`Case`], time runs on until the fleet is quiet, and [`audit`] compares
//! root's records and ledger with the replica's facts. A case is one line of JSON, and the same
//! line repeats the case.

pub mod audit;
mod foreign;
mod funding;
pub mod history;
pub mod matrix;
pub mod measure;
mod refuel;
mod releases;
pub mod scenario;
mod seed;
pub mod shrink;
pub mod world;
pub mod writer;

pub use canic_testing::case;
pub use canic_testing::case::{Act, Case, Failure};
pub use history::History;
pub use matrix::{Report, Violation};
pub use scenario::Scenario;
pub use world::World;
