//! `cargo xtask serve`: the replica in the foreground.

use std::{ffi::OsString, process::Command};

use canic_artifacts as artifacts;

/// All arguments, `--help` included, are those of the replica.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// The replica's own arguments; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Builds the replica and runs it with these arguments until it ends.
///
/// # Errors
/// When it can't be built or run, or ends with an error.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let binary = artifacts::build_replica()?;
    let status = Command::new(&binary)
        .args(&args.args)
        .status()
        .map_err(|e| format!("{} can't be run: {e}", binary.display()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the replica ended with {status}"))
    }
}
