//! The command line on a fleet: every command as an operator runs it, against a live replica.

mod author;
mod changes;
mod chapter;
mod common;
mod dashboard;
mod fleets;
mod json;
mod link;
mod looks;
mod medic;
mod messages;
mod money;
mod numbers;
mod page;
mod releases;
mod terminal;
