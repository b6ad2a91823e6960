//! The project of `icp` that the program was started in: its folder, and the ids of its canisters.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use candid::Principal;
use serde_json::Value;

use crate::failure::Failure;

/// The nearest folder, from the present one upwards, with an `icp.yaml`.
pub(crate) fn folder() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let found = here
        .ancestors()
        .find(|folder| folder.join("icp.yaml").is_file())?;
    Some(found.to_path_buf())
}

/// The id of a canister of the project in an environment.
///
/// # Errors
/// There is no project, or it does not know the canister.
pub(crate) fn canister(name: &str, environment: &str) -> Result<Principal, Failure> {
    let advice = "Deploy it with `icp deploy`, or give its id with `--root PRINCIPAL`.";
    let Some(folder) = folder() else {
        return Err(Failure::setup(format!(
            "`{name}` is no principal, and there is no `icp.yaml` in this folder or above it"
        ))
        .with_advice("Give the root's id with `--root PRINCIPAL`, or go to the project."));
    };
    // `icp` keeps the ids of networks that it launches in the cache, and all others as data.
    for store in ["cache", "data"] {
        let file = folder.join(format!(".icp/{store}/mappings/{environment}.ids.json"));
        if let Some(id) = ids(&file)?.remove(name) {
            return Principal::from_text(&id)
                .map_err(|e| Failure::setup(format!("{}: `{id}`: {e}", file.display())));
        }
    }
    if let Some(fleet) = local_fleet(&folder)?.filter(|_| (name, environment) == ("root", "local"))
        && let Some(Ok(root)) = fleet["root"].as_str().map(Principal::from_text)
    {
        return Ok(root);
    }
    Err(Failure::setup(format!(
        "the project in {} has no canister `{name}` in the environment `{environment}`",
        folder.display()
    ))
    .with_advice(advice))
}

/// What `canic local` has deployed: the network's address, and root.
///
/// # Errors
/// Its file can't be read.
pub(crate) fn local_fleet(folder: &Path) -> Result<Option<Value>, Failure> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    let file = folder.join(target).join("canic/local/fleet.json");
    let failed = |reason: String| Failure::setup(format!("{}: {reason}", file.display()));
    match fs::read_to_string(&file) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|e| failed(e.to_string())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed(e.to_string())),
    }
}

/// The ids in a file of `icp`; none if there is no such file.
fn ids(file: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let failed = |reason: String| Failure::setup(format!("{}: {reason}", file.display()));
    match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map_err(|e| failed(e.to_string())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(e) => Err(failed(e.to_string())),
    }
}
