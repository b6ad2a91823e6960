//! `cargo xtask completions`: completions for a shell in which `xtask` is an alias of
//! `cargo xtask`.

use std::io;

use clap::Command;
use clap_complete::Shell;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell that reads the script
    shell: Shell,
}

/// Prints the script for the command line that `command` defines.
pub(crate) fn run(args: &Args, mut command: Command) {
    clap_complete::generate(args.shell, &mut command, "xtask", &mut io::stdout());
}
