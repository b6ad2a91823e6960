//! What `cargo xtask` runs: it builds the program that has the command, and runs it. It has no
//! dependencies, so that it tells at once what it does, and so that `cargo xtask demo` compiles
//! nothing that only tests and benchmarks need.

// This program has no dependencies, not even on the demo, whose list it builds.
#[path = "../../../demo/src/canisters.rs"]
mod canisters;

use std::{
    env,
    ffi::OsString,
    process::{Command, ExitCode, Stdio},
};

use canisters::CANISTERS;

/// What is said before cargo compiles the demo.
const DEMO: &str = "    build  the demo, and the replica in it. The first time cargo compiles \
                    some 200 packages,\n           Cranelift the largest one, which compiles Wasm: \
                    about five minutes on two cores";

/// The target that canisters are compiled for.
const WASM_TARGET: &str = "wasm32-unknown-unknown";

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
            build_canisters_meanwhile(&cargo);
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

/// Builds the demo's canisters while cargo builds the demo, whose last crates leave a core free.
/// The demo builds them, too: it waits for this build, or tells why it fails.
fn build_canisters_meanwhile(cargo: &Command) {
    if env::var_os("CANIC_CANISTERS_DIR").is_some() {
        return;
    }
    let has_target = Command::new("rustup")
        .args(["target", "add", WASM_TARGET])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if has_target {
        let mut build = Command::new(cargo.get_program());
        build.args([
            "build",
            "--quiet",
            "--profile",
            "canister",
            "--target",
            WASM_TARGET,
        ]);
        build.args(CANISTERS.iter().flat_map(|package| ["--package", package]));
        build.stdin(Stdio::null()).stdout(Stdio::null());
        drop(build.stderr(Stdio::null()).spawn());
    }
}
