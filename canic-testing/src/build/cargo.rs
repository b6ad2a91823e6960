//! Builds by cargo: one at a time among all processes of a test run, and each module once.
//!
//! The modules are copied to `target/canic-testing`, since a build with other features replaces
//! cargo's own file.

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{self, Stdio},
};

use super::workspace::{Package, Workspace, cargo, workspace};

const TARGET: &str = "wasm32-unknown-unknown";

/// The module of a package.
///
/// # Errors
/// There is no such package, or its build fails.
pub(super) fn build(package: &str, features: &[String]) -> Result<Vec<u8>, String> {
    let workspace = workspace()?;
    let package = workspace.package(package)?;
    let folder = workspace.target.join("canic-testing");
    let failed = |path: &Path, e: io::Error| format!("{}: {e}", path.display());
    fs::create_dir_all(&folder).map_err(|e| failed(&folder, e))?;
    let stem = file_stem(&package.name, features);
    let module = folder.join(format!("{stem}.wasm"));
    let stamp = folder.join(format!("{stem}.run"));
    // Whoever holds this file builds. It is released with the process at the latest.
    let lock = folder.join("lock");
    let held = File::create(&lock).map_err(|e| failed(&lock, e))?;
    held.lock().map_err(|e| failed(&lock, e))?;
    let run = test_run();
    let is_built = run.is_some() && fs::read_to_string(&stamp).ok() == run && module.exists();
    if !is_built {
        let compiled = compile(workspace, package, features)?;
        let bytes = fs::read(&compiled).map_err(|e| failed(&compiled, e))?;
        replace(&module, &bytes)?;
        replace(&stamp, run.unwrap_or_default().as_bytes())?;
    }
    fs::read(&module).map_err(|e| failed(&module, e))
}

/// `worker`, or `worker+strict` with features.
pub(super) fn file_stem(package: &str, features: &[String]) -> String {
    let mut parts = vec![package.replace('-', "_")];
    parts.extend(features.iter().cloned());
    parts.join("+")
}

/// Runs cargo, and returns the path of the module.
fn compile(
    workspace: &Workspace,
    package: &Package,
    features: &[String],
) -> Result<PathBuf, String> {
    let profile = workspace.profile;
    let mut command = cargo();
    command
        .current_dir(&workspace.root)
        .args(["build", "--target", TARGET, "--profile", profile])
        .args(["--package", &package.name])
        .stdout(Stdio::null());
    if !features.is_empty() {
        command.args(["--features", &features.join(",")]);
    }
    let status = command.status();
    let status = status.map_err(|e| format!("cargo can't be run: {e}"))?;
    if !status.success() {
        return Err(format!(
            "the build of `{}` failed; cargo's messages are above. If the target is missing: \
             `rustup target add {TARGET}`",
            package.name
        ));
    }
    let folder = workspace.target.join(TARGET).join(profile);
    Ok(folder.join(format!("{}.wasm", package.stem)))
}

/// Replaces a file as a whole: a concurrent reader sees the old one or the new one.
fn replace(file: &Path, content: &[u8]) -> Result<(), String> {
    let failed = |e: io::Error| format!("{}: {e}", file.display());
    if fs::read(file).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let aside = file.with_extension(format!("{}.part", process::id()));
    fs::write(&aside, content).map_err(failed)?;
    fs::rename(&aside, file).map_err(failed)
}

/// A text that all processes of a test run share, and no other run has. `None`: nothing tells, and
/// cargo has to look whether something changed.
fn test_run() -> Option<String> {
    if let Ok(run) = env::var("NEXTEST_RUN_ID") {
        return Some(format!("nextest {run}"));
    }
    of_cargo()
}

/// The process of cargo that started this one, with its start.
#[cfg(target_os = "linux")]
fn of_cargo() -> Option<String> {
    let parent = std::os::unix::process::parent_id();
    let stat = fs::read_to_string(format!("/proc/{parent}/stat")).ok()?;
    // The name stands in parentheses, and may have any characters; 20 fields follow to the start.
    let (head, rest) = stat.rsplit_once(')')?;
    let is_cargo = head.split_once('(')?.1.starts_with("cargo");
    let start = rest.split_whitespace().nth(19)?;
    is_cargo.then(|| format!("cargo {parent} {start}"))
}

#[cfg(not(target_os = "linux"))]
fn of_cargo() -> Option<String> {
    None
}
