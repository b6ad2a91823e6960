//! The runtime of canic: what the code that its macros generate calls.
//!
//! Authors use the facade crate `canic`. Here, decisions are plain functions of state and event (`policy`, `machine`
//! with `allocation`, `install`, `rollback`, `search` and `recovery`); `driver` performs them; `books` holds the state in stable
//! memory (`journal`, `registry`, `pool`, `modules`); `requests` and `lists` are what root serves; `entry` is what
//! generated code calls; `platform::ic` is the only place that talks to the Internet Computer.

pub mod api;
pub mod config;
pub mod entry;
pub mod error;
pub mod fleet;

mod codec;
mod endpoint;
mod envelope;
mod member;
mod metrics;
mod operation;
mod platform;
mod root;
mod stable;
mod state;

pub use stable::memory;

pub use candid;
pub use ic_cdk;
pub use ic_stable_structures as stable_structures;
