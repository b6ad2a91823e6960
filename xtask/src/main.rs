//! The project's own commands, run as `cargo xtask COMMAND`.

mod completions;
mod dependencies;
mod docs;
mod launcher;
#[cfg(test)]
mod packages;
mod rooms;
mod serve;
mod test;
mod wasm;
mod width;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// The project's own commands
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the example fleet on a replica and checks every claim it makes
    ///
    /// POCKET_IC_BIN names another server than canic-replica.
    Demo(launcher::Args),
    /// Runs every check that CI runs: formatting, structure, clippy, builds and tests
    Test,
    /// Measures the costs of a fleet, with a handwritten one beside it
    Bench(launcher::Args),
    /// Fails at every await of every operation and audits the state of the fleet
    Faults(launcher::Args),
    /// Measures the structure of the crates: sizes, floors, import circles
    ///
    /// A room is a file or folder right below `src`. A file imports another one if a path in it
    /// leads to an item of that file; re-exports are seen through, tests are left out. A circle is
    /// a set of files that all import each other. An import runs up if it leads from a lower floor
    /// to a higher one. Inside a folder, and where no floors are declared, it runs up if it is
    /// against the order with the fewest such imports. The command fails on circles, on imports
    /// that run up, and on rooms without a declared floor.
    #[command(verbatim_doc_comment)]
    Rooms(rooms::Args),
    /// Lists the lines of more than 100 characters
    Width,
    /// Checks licences and duplicates of all dependencies by deny.toml
    Dependencies,
    /// Writes the Candid interface of each canister beside its manifest
    Did(launcher::Args),
    /// Builds the guide as a book, and the documentation of the crates
    ///
    /// The book comes from docs and goes to target/book. mdBook is installed into target/tools if
    /// there is none.
    Docs(docs::Args),
    /// Builds the canisters and prints the sizes of their modules
    Wasm,
    /// Builds and runs canic-replica with these arguments
    Serve(serve::Args),
    /// Prints a script of completions for a shell
    Completions(completions::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), String> {
    match cli.command {
        None => Cli::command().print_help().map_err(|e| e.to_string()),
        Some(Command::Demo(args)) => launcher::run("demo", &args),
        Some(Command::Test) => test::run(),
        Some(Command::Bench(args)) => launcher::run("bench", &args),
        Some(Command::Faults(args)) => launcher::run("faults", &args),
        Some(Command::Rooms(args)) => rooms::run(&args),
        Some(Command::Width) => width::run(),
        Some(Command::Dependencies) => dependencies::check(),
        Some(Command::Did(args)) => launcher::run("did", &args),
        Some(Command::Docs(args)) => docs::run(&args),
        Some(Command::Wasm) => wasm::run(),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Completions(args)) => {
            completions::run(&args, Cli::command());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
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
            "",
            "demo",
            "demo --json",
            "demo --keep",
            "test",
            "bench",
            "faults",
            "faults --case {}",
            "rooms",
            "rooms --json --checkout ../other",
            "width",
            "dependencies",
            "did",
            "docs",
            "docs --book",
            "wasm",
            "serve",
            "serve --port 8000 --ttl=5",
            "serve did module.wasm -o module.did",
            "serve --help",
            "completions zsh",
        ];
        for line in lines {
            assert!(parses(line), "{line}");
        }
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        let lines = ["dmo", "completions"];
        for line in lines {
            assert!(!parses(line), "{line}");
        }
    }
}
