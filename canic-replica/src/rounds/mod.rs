//! The execution of rounds: the admission of messages, their processing, and the scheduler.

mod admission;
mod messages;
mod scheduler;
