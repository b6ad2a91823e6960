//! The execution of rounds.

pub(crate) mod messages;
pub(crate) mod scheduler;
