//! The command line on a fleet: every command as an operator runs it, against a live replica.

mod author;
mod changes;
mod common;
mod dashboard;
mod guide;
mod looks;
mod medic;
mod messages;
mod page;
mod releases;
