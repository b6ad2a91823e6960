//! Commands that other programs have: the demo, and those that run fleets. `cargo xtask` starts
//! these programs itself; here they are listed, for `--help` and for completions.

use std::{env, ffi::OsString, process::Command};

use canic_artifacts::workspace;

/// All arguments, `--help` included, are those of the other program.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// The command's own arguments; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Runs a command by the launcher.
///
/// # Errors
/// When it can't be run, or fails.
pub(crate) fn run(command: &str, args: &Args) -> Result<(), String> {
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace())
        .args(["xtask", command])
        .args(&args.args)
        .status()
        .map_err(|e| format!("cargo can't be run: {e}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("cargo xtask {command}")),
    }
}
