//! Requests: each becomes an operation, and the operation's end becomes the reply.
//!
//! Root accepts a request in one message, without an await. It checks the policy, takes the
//! position, claims a canister of the pool, reserves cycles and puts the operation on record: all
//! or nothing. The functions that accept are plain ones. The functions that wait for the operation
//! call the driver.

pub(crate) mod caller;
mod facts;
pub(crate) mod grants;
pub(crate) mod import;
pub(crate) mod modules;
pub(crate) mod provision;
pub(crate) mod reparent;
pub(crate) mod retire;
pub(crate) mod rollouts;
