//! The command line on a fleet: every command as an operator runs it, against a live replica.

mod common;
mod looks;
mod messages;
