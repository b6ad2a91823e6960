//! The size of the framework in Wasm: the example's worker beside the same worker written by hand,
//! and a member that adds nothing.

use candid_parser::utils::{CandidSource::Text, service_compatibility_report};
use canic_fleet_tests::{Fleet, artifacts, user};

#[test]
fn a_managed_worker_is_at_most_1_2_times_as_large_as_its_hand_written_twin() {
    let managed = artifacts::gzipped(&artifacts::module("example-worker")).len();
    let by_hand = artifacts::gzipped(&artifacts::module("baseline-worker")).len();
    assert!(
        managed * 100 <= by_hand * 120,
        "{managed} bytes gzipped, its twin {by_hand}: {:.3} times as many",
        managed as f64 / by_hand as f64
    );
}

/// It links neither Candid's decoder nor its encoder. Half of it is there to print the interface.
#[test]
fn a_member_that_adds_nothing_has_at_most_124_kilobytes_gzipped() {
    let empty = artifacts::gzipped(&artifacts::module("fixture-empty")).len();
    let by_hand = artifacts::gzipped(&artifacts::module("baseline-empty")).len();
    println!("{empty} bytes gzipped; with ic-cdk alone, {by_hand}");
    assert!(empty <= 124_000, "{empty} bytes gzipped");
}

/// The sizes are comparable only if the interfaces are the same.
#[test]
fn the_managed_worker_has_the_interface_of_its_twin() {
    let interface = |package| canic_replica::candid_interface(&artifacts::module(package));
    let managed = interface("example-worker").expect("an interface");
    let by_hand = interface("baseline-worker").expect("an interface");
    let breaks =
        service_compatibility_report(Text(&managed), Text(&by_hand)).expect("both are Candid");
    assert!(breaks.is_empty(), "{breaks:?}");
}

#[test]
fn the_bucket_of_stable_memory_follows_its_maximum_size() {
    let fleet = Fleet::start("fixture-bare-root");
    let owner = user(1);
    // 4 GiB by default; a bucket has one page for every 2 GiB.
    for (package, bucket) in [("fixture-subscriber", 2), ("fixture-measured", 32)] {
        let canister = fleet.stranger_canister(owner);
        let nothing = candid::encode_args(()).expect("no argument");
        fleet
            .pic
            .install_canister(canister, artifacts::module(package), nothing, Some(owner));
        let status = fleet.pic.canister_status(canister, Some(owner));
        let stable = status
            .expect("its owner may ask")
            .memory_metrics
            .stable_memory_size;
        // The memory manager's own page, and one bucket of a memory of canic.
        assert_eq!(stable, (1 + bucket) * 65_536_u64, "{package}");
    }
}
