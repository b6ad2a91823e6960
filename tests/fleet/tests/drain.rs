//! The drain: what comes back of a member's cycles before root deletes it.

use std::time::Duration;

use candid::{Nat, Principal};
use canic::api::{ImportAs, Retirement};
use canic_fleet_tests::{Fleet, artifacts, fleet::owner_argument, user};
use ic_management_canister_types::CanisterSettings;

const B: u128 = 1_000_000_000;
const T: u128 = 1_000 * B;
const YEAR: u64 = 31_536_000;

/// Cycles that may stay in a canister: the platform holds 40 B for the draining message and 42 B
/// for its callback while the cycles leave, and refunds them afterwards.
const LEFT: u128 = 83 * B;

/// Adopts a notebook with about `cycles` cycles.
fn member_with(fleet: &Fleet, key: &str, cycles: u128, freezing_threshold: u64) -> Principal {
    let sender = Some(fleet.controller);
    let canister = fleet.stranger_canister(fleet.controller);
    let module = artifacts::module("example-worker");
    fleet
        .pic
        .install_canister(canister, module, owner_argument(user(1)), sender);
    let settings = |percent: u8, freezing_threshold: u64| CanisterSettings {
        controllers: Some(vec![fleet.controller, fleet.root]),
        compute_allocation: Some(Nat::from(percent)),
        freezing_threshold: Some(Nat::from(freezing_threshold)),
        ..CanisterSettings::default()
    };
    let balance = || fleet.pic.cycle_balance(canister);
    fleet.pic.add_cycles(canister, cycles);
    // A full compute allocation costs 1 B cycles a second.
    let set = |percent, freezing_threshold| {
        fleet
            .pic
            .update_canister_settings(canister, sender, settings(percent, freezing_threshold))
            .expect("its controller sets it");
    };
    set(100, 0);
    while balance() > cycles + B {
        let seconds = (balance() - cycles) / B;
        fleet
            .pic
            .advance_time(Duration::from_secs(seconds.min(600) as u64));
        fleet.pic.tick();
    }
    set(0, 0);
    let import_as = ImportAs::Member {
        role: "worker".into(),
        key: Some(key.into()),
        parent: None,
    };
    fleet.import(canister, import_as).expect("adopted");
    fleet.quiet();
    // A year's threshold freezes a canister with 0.1 T.
    set(0, freezing_threshold);
    canister
}

#[test]
fn all_but_the_cycles_that_the_platform_holds_back_return_to_root() {
    let fleet = Fleet::of_notebooks();
    let cases = [
        (T / 10, 0),
        (T / 10, YEAR),
        (T / 2, 0),
        (T / 2, YEAR),
        (T, 0),
        (T, YEAR),
        (2 * T, 0),
        (2 * T, YEAR),
        (100 * T, 0),
        (100 * T, YEAR),
    ];
    for (cycles, threshold) in cases {
        let key = format!("{cycles} {threshold}");
        let canister = member_with(&fleet, &key, cycles, threshold);
        let held = fleet.pic.cycle_balance(canister);
        let root = fleet.pic.cycle_balance(fleet.root);
        fleet.retire(canister, Retirement::Delete).expect("retired");
        fleet.quiet();
        assert!(!fleet.pic.canister_exists(canister));
        let back = fleet.pic.cycle_balance(fleet.root).saturating_sub(root);
        println!("of {held} with a threshold of {threshold} s came back {back}");
        // Root pays for its own calls and for the compilation of the drain.
        assert!(back + LEFT + 2 * B >= held, "{back} of {held}");
    }
    fleet.audit().passes();
}
