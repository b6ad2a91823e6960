//! The server, through the ordinary `pocket-ic` client and over plain sockets.
//!
//! To run these on a real PocketIC server instead, name it:
//! `POCKET_IC_BIN=/path/to/pocket-ic cargo test -p canic-replica --test client`.
//! (`raw` is about our binary alone and ignores the variable.)

mod agent;
mod canisters;
mod common;
mod faults;
mod gateway;
mod instances;
mod methods;
mod outcalls;
mod raw;
mod snapshots;
