//! Fleets in tests: a root and its members, real Wasm on a replica in the test's own process.
//!
//! A crate for `[dev-dependencies]`. It builds the author's canisters once in a test run, and each
//! test gets a fork of one prepared fleet within milliseconds: there is no server, no port, and
//! nothing to download. `docs/testing.md` is the guide.

mod answer;
pub mod audit;
mod build;
pub mod case;
mod error;
mod faults;
mod fleet;
pub mod harness;
pub mod matrix;
pub mod network;
pub mod status;
mod user;

pub use canic::api;
pub use canic_replica as replica;

pub use crate::{
    audit::Audit,
    build::{CANISTERS_DIR, Module},
    error::{Error, Reason},
    faults::{Ending, FAULT, Faults, Matrix, Report, Violation},
    fleet::{Fleet, FleetBuilder, SERVER},
    user::{Pending, User},
};
