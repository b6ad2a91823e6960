//! The fault matrix: whatever fails, at whatever await, the fleet's books still balance.
//!
//! A [`World`] is an instance of the replica with a root of real Wasm on it. A [`Scenario`] brings a world to where an
//! operation begins, and starts it. Its awaits are read off the trace of a run in which nothing fails
//! ([`matrix::sites`]); at each of them every failure is tried ([`case::blows_at`]): alone, in pairs, and in random
//! histories of many operations. After each [`Case`], time runs on until the fleet is quiet, and [`audit`] compares
//! root's books with what the replica knows. A case is one line of JSON, and the same line is the same case again.

pub mod audit;
pub mod case;
pub mod history;
pub mod matrix;
pub mod measure;
pub mod scenario;
mod seed;
pub mod world;

pub use case::{Act, Blow, Case};
pub use matrix::{Report, Violation};
pub use scenario::Scenario;
pub use world::World;
