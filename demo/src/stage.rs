//! The demo's stage: a fleet, and what it claims of the fleet.

use candid::Principal;
use canic_endpoints::user;

use crate::fleet::Fleet;

pub(super) fn say(step: &str, text: &str) {
    println!("{step:>9}  {text}");
}

/// A fleet, and the claims that did not hold.
pub(super) struct Demo {
    pub(super) fleet: Fleet,
    pub(super) failed: Vec<String>,
}

impl Demo {
    /// Prints a claim and whether it holds.
    pub(super) fn claim(&mut self, claim: &str, holds: bool) -> bool {
        println!("{:>9}  {claim}", if holds { "ok" } else { "FAILED" });
        if !holds {
            self.failed.push(claim.to_string());
        }
        holds
    }

    /// A note of a user's notebook.
    pub(super) fn read_note(&self, number: u8, title: &str) -> Option<String> {
        let notebook = self.notebook(number)?;
        self.fleet
            .query(notebook, user(number), "get", (title,))
            .ok()
            .flatten()
    }

    /// A user's notebook.
    pub(super) fn notebook(&self, number: u8) -> Option<Principal> {
        let found = self
            .fleet
            .query(self.fleet.root, user(number), "where_is", (user(number),));
        found.unwrap_or_else(|reject| panic!("where_is: {reject}"))
    }
}
