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
pub mod memory;

mod access;
mod allocation;
mod announce;
mod audience;
mod books;
mod deliver;
mod drain;
mod driver;
mod env;
mod envelope;
mod http;
mod install;
mod journal;
mod knowledge;
mod layouts;
mod lists;
mod machine;
mod metrics;
mod modules;
mod next;
mod open;
mod platform;
mod policy;
mod pool;
mod recovery;
mod registry;
mod relocation;
mod requests;
mod rollback;
mod search;
mod shelf;
mod uploads;

pub use candid;
pub use ic_cdk;
pub use ic_stable_structures as stable_structures;
