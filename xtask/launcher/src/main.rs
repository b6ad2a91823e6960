//! What `cargo xtask` runs: it builds the program that has the command, and runs it. It has no
//! dependencies, so that it tells at once what it does, and so that `cargo xtask demo` compiles
//! nothing that only tests and benchmarks need.

use std::{
    env,
    ffi::OsString,
    process::{Command, ExitCode},
};

/// What is said before cargo compiles the demo.
const DEMO: &str = "    build  the demo, and the replica in it. The first time cargo compiles \
                    some 200 packages,\n           Cranelift the largest one, which compiles Wasm: \
                    about five minutes on two cores";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let command = arguments.first().and_then(|first| first.to_str());
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("run");
    match command {
        Some("demo") => {
            println!("{DEMO}");
            cargo.args(["--package", "canic-demo"]);
            let is_kept = arguments.iter().any(|argument| argument == "--keep");
            if is_kept || env::var_os("POCKET_IC_BIN").is_some() {
                cargo.args(["--features", "server"]);
            }
            cargo.arg("--").args(&arguments[1..]);
        }
        command => {
            let package = match command {
                Some("bench" | "did" | "faults") => "xtask-fleet",
                _ => "xtask",
            };
            cargo.args(["--package", package, "--"]).args(&arguments);
        }
    }
    match cargo.status() {
        // A program that a signal ended has no code.
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("error: cargo can't be run: {error}");
            ExitCode::FAILURE
        }
    }
}
