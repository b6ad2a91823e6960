//! The fleets that several tests begin with, and arguments of their members.

use candid::Principal;
use canic::api::ProvisionRequest;
use canic_fleet_tests::{Fleet, artifacts, fleet::owner_argument, user};

use crate::common::Live;

/// The example's fleet with so many notebooks, those of the users 1, 2, .., and a full pool.
pub(crate) fn notebooks(number: u8) -> Live {
    Live::start("example-root", |fleet| {
        fleet.approve("worker", &artifacts::module("example-worker"));
        pool_is_full(fleet);
        for user in 1..=number {
            notebook(fleet, user);
        }
        pool_is_full(fleet);
        fleet.quiet();
    })
}

fn pool_is_full(fleet: &Fleet) {
    fleet.until("the pool holds two ready canisters", |fleet| {
        fleet.pool().len() == 2
    });
}

/// Provisions a notebook for a user, under the key `user N`.
pub(crate) fn notebook(fleet: &Fleet, number: u8) -> Principal {
    let request = ProvisionRequest {
        role: "worker".to_string(),
        key: Some(format!("user {number}")),
        parent: None,
        arg: owner_argument(user(number)),
    };
    fleet.provision(&request).expect("a notebook").canister
}

/// The argument of a user's notebook, as an operator writes it.
pub(crate) fn argument(number: u8) -> String {
    format!("(record {{ owner = principal \"{}\" }})", user(number))
}

/// A fleet with two hubs, `a` and `b`, and workers below them: one for each key and hub.
pub(crate) fn hubs(workers: &[(&str, &str)]) -> Live {
    let live = Live::start("fixture-hub-root", |fleet| {
        fleet.approve("hub", &artifacts::module("fixture-hub"));
        fleet.approve("worker", &artifacts::module("example-worker"));
        fleet.quiet();
    });
    for hub in ["a", "b"] {
        live.ok(&["provision", "hub", "--key", hub]);
    }
    let argument = argument(1);
    for (key, hub) in workers {
        let words = ["provision", "worker", "--key", key, "--parent", hub];
        live.ok(&[&words[..], &["--arg", &argument]].concat());
    }
    live
}
