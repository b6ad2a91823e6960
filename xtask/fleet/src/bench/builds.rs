//! The times that cargo takes to build the worker and its twin.

use std::{
    env, fs,
    path::Path,
    process::{self, Command},
    time::{Instant, SystemTime},
};

use canic_artifacts as artifacts;

use super::figures::Build;

/// The worker and its twin: each package with the file of its code.
const TWINS: [(&str, &str); 2] = [
    ("example-worker", "examples/worker/src/lib.rs"),
    ("baseline-worker", "benches/baseline/worker/src/lib.rs"),
];

/// Builds each of them into an empty folder, and again after a change of its own code.
///
/// # Errors
/// When cargo can't be run, or a build fails.
pub(super) fn measure() -> Result<Vec<Build>, String> {
    TWINS
        .iter()
        .map(|(package, source)| build(package, source))
        .collect()
}

fn build(package: &'static str, source: &str) -> Result<Build, String> {
    eprintln!("building {package}");
    let target = env::temp_dir().join(format!("canic-bench-{}-{package}", process::id()));
    let cold = cargo(package, &target);
    // Cargo takes a file for changed when it is newer than its build.
    let source = artifacts::workspace().join(source);
    let touched = fs::File::options()
        .append(true)
        .open(&source)
        .and_then(|file| file.set_modified(SystemTime::now()))
        .map_err(|e| format!("{}: {e}", source.display()));
    let incremental = touched.and_then(|()| cargo(package, &target));
    // The folder is a temporary one: it may stay if it can't be removed.
    drop(fs::remove_dir_all(&target));
    Ok(Build {
        package,
        cold_seconds: cold?,
        incremental_seconds: incremental?,
    })
}

fn cargo(package: &str, target: &Path) -> Result<f64, String> {
    let started = Instant::now();
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(artifacts::workspace())
        .args(["build", "--quiet", "--profile", "canister"])
        .args(["--target", "wasm32-unknown-unknown", "--package", package])
        .arg("--target-dir")
        .arg(target)
        .status()
        .map_err(|e| format!("cargo can't be run: {e}"))?;
    if !status.success() {
        return Err(format!("{package} can't be built"));
    }
    Ok(started.elapsed().as_secs_f64())
}
