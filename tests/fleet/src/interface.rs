//! The Candid interfaces of the canisters. Each is checked in beside the canister's manifest, named
//! like its folder.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::artifacts;

/// A canister's interface, as checked in and as its module exports it.
pub struct Interface {
    /// The path of the checked-in file, relative to the folder of the workspace.
    pub file: PathBuf,
    /// The content of the file; `None` if there is no file.
    pub checked_in: Option<String>,
    /// The interface that the module exports.
    pub exported: String,
}

/// The interfaces of all canisters of the workspace.
///
/// # Errors
/// When `cargo metadata` fails, a file can't be read, or a module has no interface.
pub fn all() -> Result<Vec<Interface>, String> {
    let folders = folders()?;
    let packages = artifacts::CANISTERS.concat();
    let interfaces = packages.into_iter().map(|package| {
        let folder = folders
            .iter()
            .find_map(|(name, folder)| (name == package).then_some(folder))
            .ok_or_else(|| format!("{package} is no package of the workspace"))?;
        let name = folder.file_name().ok_or("a package without a folder")?;
        let file = folder.join(name).with_extension("did");
        let checked_in = match fs::read_to_string(artifacts::workspace().join(&file)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("{}: {error}", file.display())),
        };
        let exported = canic_replica::candid_interface(&artifacts::module(package))
            .map_err(|why| format!("{package}: {why}"))?;
        Ok(Interface {
            file,
            checked_in,
            exported,
        })
    });
    interfaces.collect()
}

/// The packages of the workspace, each with the folder of its manifest.
fn folders() -> Result<Vec<(String, PathBuf)>, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(artifacts::workspace())
        .args(["metadata", "--no-deps", "--format-version=1"])
        .output()
        .map_err(|e| format!("cargo can't be run: {e}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("the answer of `cargo metadata`: {e}"))?;
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    Ok(packages
        .filter_map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str()?);
            let folder = manifest.parent()?.strip_prefix(root).ok()?;
            Some((package["name"].as_str()?.to_string(), folder.to_path_buf()))
        })
        .collect())
}
