//! Tests of the server, through the ordinary `pocket-ic` client and over plain sockets.
//!
//! `POCKET_IC_BIN` lets them run on a real PocketIC server instead:
//!
//! ```console
//! $ POCKET_IC_BIN=/path/to/pocket-ic cargo test -p canic-replica --test client
//! ```
//!
//! Tests of features that only our own server has are skipped there; each prints a line with the
//! reason.

mod agent;
mod canisters;
mod client_types;
mod common;
mod faults;
mod fetched;
mod gateway;
mod icp;
mod instances;
mod launcher;
mod management;
mod methods;
mod options;
mod outcalls;
mod own;
mod raw;
mod readme;
mod real_modules;
mod server;
mod signatures;
mod site;
mod snapshots;
mod start;
mod streaming;
mod threshold;
mod verification;
