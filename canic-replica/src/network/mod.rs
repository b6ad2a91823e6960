//! The state of one instance.

pub(crate) mod canisters;
mod queries;
pub(crate) mod read_state;
mod state_hash;
pub(crate) mod subnet_deletion;
