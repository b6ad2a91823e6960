//! `cargo xtask demo`: a fleet of notebooks, from two crates to running canisters, with figures.
//!
//! The demo runs the replica in its own process, so that its program links nothing else. With
//! `POCKET_IC_BIN` or `--keep` it goes through the ordinary client of PocketIC to a server (feature
//! `server`). It checks each claim that it prints, and fails if one does not hold.

mod canisters;
mod figures;
mod fleet;
mod keep;
mod network;
mod play;
mod rollouts;
mod show;
mod stage;

use std::{env, process::ExitCode};

use crate::play::Options;

const HELP: &str = "\
Runs the example fleet on a replica and checks every claim it makes

POCKET_IC_BIN names a server to run on; without it, canic-replica runs in the demo's process.

Usage: cargo xtask demo [OPTIONS]

Options:
      --json  Adds the figures as one line of JSON, the last one
      --keep  Keeps the fleet running on a server at the end, until Ctrl-C
  -h, --help  Print help";

fn main() -> ExitCode {
    let mut options = Options::default();
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--json" => options.json = true,
            "--keep" => options.keep = true,
            "-h" | "--help" => {
                println!("{HELP}");
                return ExitCode::SUCCESS;
            }
            other => {
                eprintln!("error: unexpected argument '{other}' found\n\n{HELP}");
                return ExitCode::from(2);
            }
        }
    }
    match play::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}
