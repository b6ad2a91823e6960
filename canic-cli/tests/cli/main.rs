//! The command line on a fleet: every command as an operator runs it, against a live replica.

mod author;
mod changes;
mod chapter;
mod common;
mod dashboard;
mod looks;
mod medic;
mod messages;
mod page;
mod releases;
