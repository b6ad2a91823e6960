//! The commands of `cargo xtask` that run fleets. They link the replica, the fault matrix and the
//! client of PocketIC, so that the other commands need not.

mod bench;
mod did;
mod faults;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands that run fleets
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures the costs of a fleet, with a handwritten one beside it
    Bench(bench::Args),
    /// Fails at every await of every operation and audits the state of the fleet
    Faults(faults::Args),
    /// Writes the Candid interface of each canister beside its manifest
    Did,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::Faults(args) => faults::run(&args),
        Command::Did => did::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parses(line: &str) -> bool {
        Cli::try_parse_from(format!("xtask {line}").split_whitespace()).is_ok()
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn documented_command_lines_are_accepted() {
        let lines = [
            "bench",
            "bench --members 10,1000 --builds --json --write",
            "bench --real",
            "bench real --members 1000",
            "bench replica",
            "bench replica --json",
            "faults",
            "faults --json --every 4 --pairs 10 --histories 3 --seed 7",
            "faults --only rollout_ --pairs 0",
            "faults --case {}",
            "faults --history 1000001",
            "did",
        ];
        for line in lines {
            assert!(parses(line), "{line}");
        }
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        let lines = [
            "",
            "bench --members",
            "bench --members ten",
            "bench --members 10,",
            "bench --write replica",
            "bench replica --write",
            "faults --every",
            "faults --every x",
            "faults --case {} --history 1",
            "did all",
        ];
        for line in lines {
            assert!(!parses(line), "{line}");
        }
    }
}
