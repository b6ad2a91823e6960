//! `canic`, the command line of a fleet.

mod cli;
mod commands;
mod connection;
mod dashboard;
mod failure;
mod fleet;
mod gate;
mod live;
mod medic;
mod module;
mod output;
mod project;
mod staging;
mod views;

use std::process::ExitCode;

use clap::Parser;

use crate::{cli::Cli, failure::Failure};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (json, verbose) = (cli.json, cli.verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(cli.run()),
        Err(e) => Err(Failure::setup(format!("no thread can be started: {e}"))),
    };
    if verbose {
        eprintln!("{} calls", fleet::calls());
    }
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure, json);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}
