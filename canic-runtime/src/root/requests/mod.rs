//! Requests: how one becomes an operation, and how an operation's end becomes a reply.
//!
//! Accepting takes one message and no await: policy first, then the position is taken, a pool canister
//! claimed, cycles reserved and the operation put on record, all or nothing. The functions that accept
//! are plain ones; those that wait for the operation call the driver.

pub(crate) mod caller;
mod facts;
pub(crate) mod import;
pub(crate) mod modules;
pub(crate) mod provision;
pub(crate) mod reparent;
pub(crate) mod retire;
