//! The runtime of canic: the functions and types that generated code calls.
//!
//! Authors use the facade crate `canic`. The modules are rooms on floors, and a module names only
//! modules below its own floor:
//!
//! | floor | module | holds |
//! |---|---|---|
//! | 9 | `entry` | the functions that generated code calls |
//! | 8 | `root` | root's requests, the driver of operations, background work, queries |
//! | 7 | `metrics` | families of metrics, as Candid and as Prometheus text |
//! | 6 | `endpoint`, `fleet` | an endpoint with access list and counters; the author's API |
//! | 5 | `state` | root's state: journal, registry, pool, modules, outbox, subscribers |
//! | 5 | `member` | a member's state: identity, directory, subscription |
//! | 4 | `platform` | clock, balance, messages, calls: the only module that names `ic_cdk` |
//! | 3 | `operation` | the decisions about an operation, as plain functions |
//! | 2 | `codec`, `envelope`, `membership` | encodings, and this canister's membership |
//! | 1 | `stable`, `api`, `error`, `config`, `tables` | records in stable memory; public types, and how Candid knows them |
//!
//! `state` and `member` do not name each other, and members never link root's code.

// The name by which derives of `canic-macros` find this crate, from within it, too.
extern crate self as canic_runtime;

pub mod api;
pub mod config;
pub mod entry;
pub mod error;
pub mod fleet;

mod codec;
mod endpoint;
mod envelope;
mod member;
mod membership;
mod metrics;
mod operation;
mod platform;
mod root;
mod stable;
mod state;
mod tables;

pub use stable::memory;

pub use candid;
pub use ic_cdk;
pub use ic_stable_structures as stable_structures;
