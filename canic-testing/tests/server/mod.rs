//! The tests of this binary on a server: the one that `POCKET_IC_BIN` names, or canic-replica.

use std::{env, process::Command};

use canic_artifacts as artifacts;

/// Runs all other tests of this binary once more, on a server. `this` is the name of the test that
/// asks for it.
pub(crate) fn run_these_tests(this: &str) {
    // On the server this test has nothing to add.
    if env::var_os(canic_testing::SERVER).is_some() {
        return;
    }
    let tests = env::current_exe().expect("this binary has a path");
    let status = Command::new(tests)
        .args(["--quiet", "--skip", this])
        .env(canic_testing::SERVER, artifacts::server())
        .status();
    assert!(status.expect("this binary can be run").success());
}
