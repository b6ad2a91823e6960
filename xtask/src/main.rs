//! The project's own commands, run as `cargo xtask COMMAND`.

mod bench;
mod demo;
mod did;
mod faults;
mod serve;
mod test;
mod toolchain;
mod wasm;

use std::process::ExitCode;

const USAGE: &str = "\
The project's own commands.

Usage: cargo xtask COMMAND

  demo [--json]  builds the example fleet, runs it on a replica and shows what it does; --json adds the figures as the
                 last line. POCKET_IC_BIN names another server than canic-replica.
  test           formatting, clippy, all builds and all tests: what CI runs
  bench [--members N,..] [--builds] [--json] [--write]
                 measures what a fleet costs beside what is written by hand, with 10 to 100,000 members or as many as
                 --members says; --builds times cargo, too; --write writes docs/performance.md
  bench replica [--json]
                 times what tests pay for: instances, installs, calls; POCKET_IC_BIN names another server to compare with
  faults [--json] [--every N] [--pairs N] [--histories N] [--seed N]
                 fails at every await of every operation, alone, in pairs and at random, and audits the books;
                 --every N takes one of N single failures; `--case LINE` or `--history SEED` repeats what it found
  did            writes the Candid interface of each canister beside its manifest
  wasm           builds the canisters and prints the sizes of their modules
  serve [ARGS]   builds and runs canic-replica; `cargo xtask serve --help` lists its arguments
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["demo"] => demo::run(false),
        ["demo", "--json"] => demo::run(true),
        ["bench", rest @ ..] => bench::run(rest),
        ["faults", rest @ ..] => faults::run(rest),
        ["did"] => did::run(),
        ["test"] => test::run(),
        ["wasm"] => wasm::run(),
        ["serve", rest @ ..] => serve::run(rest),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        unknown => Err(format!("no such command: {}\n\n{USAGE}", unknown.join(" "))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}
