//! All tests on the fault matrix, in one binary: what they share is linked once, and all run in
//! parallel. `cargo test -p canic-fault-tests -- share::` runs those of a file.

mod cost;
mod docs;
mod failed;
mod funding;
mod members;
mod refuel;
mod rollouts;
mod share;

#[test]
fn every_file_of_this_folder_is_part_of_this_binary() {
    canic_fleet_tests::assert_all_are_modules(env!("CARGO_MANIFEST_DIR"), include_str!("main.rs"));
}
