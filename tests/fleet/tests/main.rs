//! All end-to-end tests of fleets, in one binary: what they share is linked once, and all run in
//! parallel. `cargo test -p canic-fleet-tests -- rollout::` runs those of a file.

mod access;
mod access_table;
mod audit;
mod bad_input;
mod batch;
mod candid;
mod costs;
mod drain;
mod endpoints;
mod funding;
mod hooks;
mod import;
mod messages;
mod metrics;
mod modules;
mod pool;
mod provisioning;
mod refuel;
mod registry;
mod releases;
mod reset;
mod retire;
mod rollback;
mod rollout;
mod rollout_among_others;
mod size;
mod status;
mod tree;
mod upgrade;
mod waiting;

#[test]
fn every_file_of_this_folder_is_part_of_this_binary() {
    canic_fleet_tests::assert_all_are_modules(env!("CARGO_MANIFEST_DIR"), include_str!("main.rs"));
}
