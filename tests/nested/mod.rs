//! Cargo in workspaces outside of this one, as authors have them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The folder that all these workspaces build into, so that canic is compiled once for all.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages-target")
}

/// Cargo in a folder. Nobody debugs what it builds there, and few of it change: debug information
/// and incremental states would take gigabytes.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target())
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    cargo
}
