//! The server, through the ordinary `pocket-ic` client and over plain sockets.
//!
//! To run these on a real PocketIC server instead, name it:
//! `POCKET_IC_BIN=/path/to/pocket-ic cargo test -p canic-replica --test client`.
//! What only ours does or says is skipped there, and a line for each tells why.

mod agent;
mod canisters;
mod common;
mod faults;
mod gateway;
mod instances;
mod methods;
mod outcalls;
mod own;
mod raw;
mod server;
mod snapshots;
