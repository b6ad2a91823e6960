//! The execution of rounds.

mod admission;
mod messages;
mod scheduler;
