//! Builds of the canisters and the replica of this workspace, by cargo.
//!
//! All modules are copied to `target/canisters/` of the workspace, whatever target directory cargo
//! uses: fixtures that embed another module find it there. A file is written only when its content
//! changes.

mod toolchain;

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::OnceLock,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

pub use toolchain::ensure_wasm_target;

/// The canisters of the workspace, in build order: a later batch embeds modules of an earlier one.
pub const CANISTERS: &[&[&str]] = &[
    &[
        "example-club",
        "example-page",
        "example-root",
        "example-worker",
        "baseline-empty",
        "baseline-root",
        "baseline-worker",
        "bench-pool-root",
        "bench-root",
        "bench-watched-root",
        "fixture-bare-root",
        "fixture-burner",
        "fixture-careless-root",
        "fixture-doors",
        "fixture-empty",
        "fixture-faulty-worker",
        "fixture-foreign",
        "fixture-forest-root",
        "fixture-funded-root",
        "fixture-hooks",
        "fixture-hub",
        "fixture-hub-root",
        "fixture-index-root",
        "fixture-subscriber",
        "fixture-measured",
        "fixture-misfit-root",
        "fixture-purse",
        "fixture-refuel-root",
        "fixture-releases",
        "fixture-scribe",
        "fixture-small-root",
        "fixture-tight-root",
        "fixture-tree-root",
        "fixture-watcher",
    ],
    &[
        "fixture-embedded-root",
        "fixture-planned-root",
        "fixture-releases-root",
    ],
];

/// The target that canisters are compiled for.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The environment variable that names a directory of built modules. Without it, the tests build
/// them.
pub const CANISTERS_DIR: &str = "CANIC_CANISTERS_DIR";

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// Builds all canisters with the profile `canister`, and returns the folder of their modules.
///
/// # Errors
/// When cargo can't be run or the build fails; its messages are on stderr.
pub fn build_canisters() -> Result<PathBuf, String> {
    let folder = folder()?;
    for batch in CANISTERS {
        build(batch, &folder)?;
    }
    Ok(folder)
}

/// Builds these canisters, none of which embeds another one, and makes [`module`] take them.
/// Nothing is built if [`CANISTERS_DIR`] is set.
///
/// # Errors
/// When cargo can't be run or the build fails; its messages are on stderr.
pub fn prepare(packages: &[&str]) -> Result<(), String> {
    if env::var_os(CANISTERS_DIR).is_none() {
        let folder = folder()?;
        build(packages, &folder)?;
        FOLDER.get_or_init(|| folder);
    }
    Ok(())
}

/// The folder of all modules.
fn folder() -> Result<PathBuf, String> {
    let folder = workspace().join("target/canisters");
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

/// Builds canisters and copies their modules to a folder.
fn build(packages: &[&str], folder: &Path) -> Result<(), String> {
    let mut args = vec!["--profile", "canister", "--target", WASM_TARGET];
    args.extend(packages.iter().flat_map(|package| ["--package", package]));
    for built in cargo_build(&args)? {
        let is_module = built.extension().is_some_and(|end| end == "wasm");
        if is_module {
            let name = built.file_name().ok_or("a module without a name")?;
            copy_if_changed(&built, &folder.join(name))?;
        }
    }
    Ok(())
}

/// Builds the replica, and returns the path of its binary.
///
/// # Errors
/// When cargo can't be run or the build fails; its messages are on stderr.
pub fn build_replica() -> Result<PathBuf, String> {
    cargo_build(&["--package", "canic-replica", "--bin", "canic-replica"])?
        .into_iter()
        .find(|built| {
            built
                .file_stem()
                .is_some_and(|stem| stem == "canic-replica")
        })
        .ok_or_else(|| "cargo built no binary canic-replica".to_string())
}

/// A module, packed with gzip, as one message can carry it.
///
/// # Panics
/// When memory can't be written.
#[must_use]
pub fn gzipped(module: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(module).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// The module of a package. The first call of a process builds all modules, unless
/// [`CANISTERS_DIR`] is set.
///
/// # Panics
/// When the module can't be built or read.
#[must_use]
pub fn module(package: &str) -> Vec<u8> {
    let folder = FOLDER.get_or_init(|| match env::var_os(CANISTERS_DIR) {
        Some(folder) => folder.into(),
        None => build_canisters().expect("the canisters can be built"),
    });
    let path = folder.join(format!("{}.wasm", package.replace('-', "_")));
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The module of `fixture-burner` for a role with a name of six letters.
///
/// # Panics
/// When the name has another length, or the module can't be built or read.
#[must_use]
pub fn burner(role: &str) -> Vec<u8> {
    const NAME: &[u8] = b"burner";
    assert_eq!(role.len(), NAME.len(), "{role}");
    let mut module = module("fixture-burner");
    for at in 0..module.len() - NAME.len() {
        if module[at..].starts_with(NAME) {
            module[at..at + NAME.len()].copy_from_slice(role.as_bytes());
        }
    }
    module
}

/// The server to run on: `POCKET_IC_BIN`, or the replica, which the first call of a process builds.
///
/// # Panics
/// When the replica can't be built.
#[must_use]
pub fn server() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let binary = BINARY.get_or_init(|| match env::var_os("POCKET_IC_BIN") {
        Some(binary) => binary.into(),
        None => build_replica().expect("the replica can be built"),
    });
    binary.clone()
}

/// Runs `cargo build`, and returns the built files.
fn cargo_build(args: &[&str]) -> Result<Vec<PathBuf>, String> {
    cargo(&[&["build", "--quiet"], args].concat())
}

/// Runs a command of cargo that builds, and returns the built files.
///
/// # Errors
/// Cargo can't be run, or fails.
pub fn cargo(args: &[&str]) -> Result<Vec<PathBuf>, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace())
        .args(args)
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo can't be run: {e}"))?;
    if !output.status.success() {
        return Err(format!("`cargo {}` failed", args.join(" ")));
    }
    built(&output.stdout)
}

/// The files that cargo says it built: `filenames` and `executable` of its artifact messages.
///
/// # Errors
/// A line is no message of cargo.
fn built(messages: &[u8]) -> Result<Vec<PathBuf>, String> {
    let messages = String::from_utf8_lossy(messages);
    let mut files = Vec::new();
    for line in messages.lines() {
        let message: Value =
            serde_json::from_str(line).map_err(|e| format!("cargo's message {line}: {e}"))?;
        let listed = message["filenames"].as_array().into_iter().flatten();
        files.extend(
            listed
                .chain([&message["executable"]])
                .filter_map(|f| f.as_str())
                .map(PathBuf::from),
        );
    }
    Ok(files)
}

/// Copies atomically: a concurrent reader sees the old file or the new one.
fn copy_if_changed(from: &Path, to: &Path) -> Result<(), String> {
    let error = |e: io::Error| format!("{} to {}: {e}", from.display(), to.display());
    let content = fs::read(from).map_err(error)?;
    if fs::read(to).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let aside = to.with_extension(format!("{}.part", process::id()));
    fs::write(&aside, content).map_err(error)?;
    fs::rename(&aside, to).map_err(error)
}
