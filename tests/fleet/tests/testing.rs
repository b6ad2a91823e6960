//! The tests of `canic-testing` on a server: the one that `POCKET_IC_BIN` names, or canic-replica.

use std::{env, process::Command};

use canic_fleet_tests::artifacts;

#[test]
fn tests_of_authors_pass_on_a_server_too() {
    // All modules are built with the first.
    drop(artifacts::module("example-root"));
    let built = artifacts::workspace().join("target/canisters");
    let folder = env::var_os(artifacts::CANISTERS_DIR).unwrap_or(built.into());
    let tested = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(artifacts::workspace())
        .args(["test", "--quiet", "--package", "canic-testing"])
        .args([
            "--features",
            "pocket-ic",
            "--test",
            "fleet",
            "--test",
            "faults",
        ])
        .env(artifacts::CANISTERS_DIR, folder)
        .env("CANIC_TESTING_SERVER", artifacts::server())
        .status();
    assert!(tested.expect("cargo can be run").success());
}
