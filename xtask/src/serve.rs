//! `cargo xtask serve`: the replica in the foreground.

use canic_fleet_tests::artifacts;
use std::process::Command;

/// Builds the replica and runs it with these arguments until it ends.
///
/// # Errors
/// When it can't be built or run, or ends with an error.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    let binary = artifacts::build_replica()?;
    let status = Command::new(&binary)
        .args(args)
        .status()
        .map_err(|e| format!("{} can't be run: {e}", binary.display()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the replica ended with {status}"))
    }
}
