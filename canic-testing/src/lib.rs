//! Fleets in tests: a root and its members, real Wasm on a replica in the test's own process.
//!
//! A crate for `[dev-dependencies]`. It builds the author's canisters once in a test run, and each
//! test gets a fork of one prepared fleet within milliseconds: there is no server, no port, and
//! nothing to download.
//!
//! ```no_run
//! use canic_testing::{Fleet, api::Provisioned};
//!
//! # fn a_notebook_keeps_its_notes() {
//! let fleet = Fleet::of("root").start();
//! let alice = fleet.user("alice");
//! let worker: Provisioned = alice.update(fleet.root(), "sign_up", ()).unwrap();
//! alice
//!     .update::<_, Result<(), String>>(worker.canister, "put", ("a", "b"))
//!     .unwrap()
//!     .unwrap();
//! fleet.assert_balanced();
//! # }
//! ```
//!
//! [`Fleet::faults`] is the fault matrix: every fault at every await of a scenario, and an audit
//! after each.
//!
//! ```no_run
//! use candid::Principal;
//! use canic_testing::{Error, Fleet, api::Provisioned};
//!
//! fn sign_up(fleet: &Fleet) -> Result<Principal, Error> {
//!     let alice = fleet.user("alice");
//!     let worker: Provisioned = alice.update(fleet.root(), "sign_up", ())?;
//!     Ok(worker.canister)
//! }
//!
//! # fn a_user_has_one_notebook_whatever_fails() {
//! let fleet = Fleet::of("root").start();
//! fleet
//!     .faults()
//!     .scenario(sign_up)
//!     .invariant(|fleet| assert_eq!(sign_up(fleet).unwrap(), sign_up(fleet).unwrap()))
//!     .run();
//! # }
//! ```
//!
//! The guide is `docs/testing.md`. Below [`Fleet`] are [`harness`], a fleet as one value that a
//! test may change, and [`matrix`], the engine of the fault matrix; the tests of canic itself stand
//! on both.

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
mod principal;
pub mod shrink;
pub mod status;
mod user;

pub use canic::api;
pub use canic_replica as replica;

pub use crate::{
    audit::Audit,
    build::{CANISTERS_DIR, Module},
    error::{Error, Reason},
    faults::{Ending, FAULT, Faults, Matrix, Report, Violation},
    fleet::{
        Fleet,
        start::{FleetBuilder, SERVER},
    },
    user::{Pending, User},
};

/// The guide, whose blocks are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
mod guide {}
