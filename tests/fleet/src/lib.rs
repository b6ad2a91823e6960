//! What the end-to-end tests and the demo stand on: canisters and replica built once, a fleet on a fresh instance, the
//! replica's own view of it, and the audit that closes every test.
//!
//! The tests drive real Wasm through the ordinary `pocket-ic` client. `POCKET_IC_BIN` names the server; without it,
//! `canic-replica` is built and used. What only `canic-replica` can tell (its trace, its accounts, which canisters
//! exist) is skipped with a note on another server.

pub mod artifacts;
pub mod audit;
pub mod fleet;
pub mod interface;
pub mod observe;

pub use audit::Audit;
pub use fleet::Fleet;
pub use observe::Observer;

use candid::Principal;

/// A user of that number, as a self-authenticating principal looks: 29 bytes, the last of them 2.
#[must_use]
pub fn user(number: u8) -> Principal {
    let mut bytes = [number; 29];
    bytes[28] = 2;
    Principal::from_slice(&bytes)
}
