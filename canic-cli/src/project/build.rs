//! The build of a fleet's modules: each after those that it embeds.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use canic::api::MAX_CHUNK;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;

use crate::{
    failure::Failure,
    output::format::Cycles,
    project::{
        cargo::{self, Canister, Workspace},
        prices, replica,
    },
};

const TARGET: &str = "wasm32-unknown-unknown";

/// A built module.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Built {
    pub(crate) package: String,
    /// The role of a member; none of a root.
    pub(crate) role: Option<String>,
    /// The module with its interface.
    pub(crate) module: PathBuf,
    /// The same, gzipped.
    pub(crate) gzipped: PathBuf,
    /// Bytes of the module.
    pub(crate) size: u64,
    /// Bytes of the gzipped module: what is uploaded and installed.
    pub(crate) gzipped_size: u64,
    /// Cycles of the messages that carry it to root, gzipped.
    pub(crate) upload: Cycles,
    /// Cycles that it costs a day in each canister that runs it.
    pub(crate) per_day: Cycles,
}

/// Builds all canisters of a workspace with a profile.
///
/// # Errors
/// A build fails; cargo's messages are on standard error.
pub(crate) fn build(workspace: &Workspace, profile: &str) -> Result<Vec<Built>, Failure> {
    let folder = workspace.target.join("canic");
    fs::create_dir_all(&folder)
        .map_err(|e| Failure::setup(format!("{}: {e}", folder.display())))?;
    let mut built = Vec::new();
    for batch in cargo::batches(&workspace.canisters)? {
        compile(workspace, profile, &batch)?;
        for canister in batch {
            built.push(finish(workspace, profile, &folder, canister)?);
        }
    }
    Ok(built)
}

fn compile(workspace: &Workspace, profile: &str, batch: &[&Canister]) -> Result<(), Failure> {
    let mut command = Command::new(cargo::cargo());
    command
        .current_dir(&workspace.root)
        .args(["build", "--target", TARGET, "--profile", profile]);
    for canister in batch {
        command.args(["--package", &canister.package]);
    }
    let status = command.status();
    let status = status.map_err(|e| Failure::setup(format!("cargo can't be run: {e}")))?;
    if status.success() {
        return Ok(());
    }
    let names: Vec<&str> = batch.iter().map(|one| one.package.as_str()).collect();
    Err(
        Failure::refused(format!("the build of {} failed", names.join(", "))).with_advice(format!(
            "cargo's messages are above. If the target is missing: `rustup target add {TARGET}`."
        )),
    )
}

fn finish(
    workspace: &Workspace,
    profile: &str,
    folder: &Path,
    canister: &Canister,
) -> Result<Built, Failure> {
    let of_profile = match profile {
        "dev" => "debug",
        profile => profile,
    };
    let file = format!("{}.wasm", canister.crate_name);
    let compiled = workspace.target.join(TARGET).join(of_profile).join(&file);
    let module = canister.module(&workspace.target);
    replica::embed_interface(&compiled, &module)?;
    let failed = |path: &Path, e| Failure::setup(format!("{}: {e}", path.display()));
    let bytes = fs::read(&module).map_err(|e| failed(&module, e))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let packed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
    let packed = packed.map_err(|e| failed(&module, e))?;
    let gzipped = folder.join(format!("{file}.gz"));
    fs::write(&gzipped, &packed).map_err(|e| failed(&gzipped, e))?;
    Ok(Built {
        package: canister.package.clone(),
        role: canister.role().map(str::to_string),
        module,
        gzipped,
        size: bytes.len() as u64,
        gzipped_size: packed.len() as u64,
        upload: Cycles(prices::upload(packed.len() as u64, MAX_CHUNK as u64)),
        per_day: Cycles(prices::memory_per_day(bytes.len() as u64)),
    })
}
