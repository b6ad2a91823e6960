//! The workspace of an author: its canisters by `cargo metadata`, and the order of their builds.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    failure::Failure,
    project::attributes::{self, Declared, Plan, Wasm, declared},
};

/// A canister of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Canister {
    /// The name of its package.
    pub(crate) package: String,
    /// The name of its library, which is that of its module's file.
    pub(crate) crate_name: String,
    /// The folder of its manifest.
    pub(crate) folder: PathBuf,
    pub(crate) declared: Declared,
    /// What a root may spend; none of a member.
    pub(crate) plan: Option<Plan>,
}

/// The canisters of a workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// The folder of built files.
    pub(crate) target: PathBuf,
    pub(crate) canisters: Vec<Canister>,
    /// Whether it has the profile `canister`.
    pub(crate) has_profile: bool,
}

/// The workspace around the present folder.
///
/// # Errors
/// There is none, or a source can't be read.
pub(crate) fn workspace() -> Result<Workspace, Failure> {
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version=1"])
        .output()
        .map_err(|e| Failure::setup(format!("cargo can't be run: {e}")))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::setup(why.trim().to_string())
            .with_advice("Run this in the folder of a fleet; `canic new NAME` makes one."));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| Failure::setup(format!("cargo's metadata: {e}")))?;
    let path = |name: &str| PathBuf::from(metadata[name].as_str().unwrap_or_default());
    let root = path("workspace_root");
    let mut canisters = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        canisters.extend(canister(package)?);
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    Ok(Workspace {
        target: path("target_directory"),
        canisters,
        has_profile: manifest.contains("[profile.canister]"),
        root,
    })
}

/// The cargo that runs this program, or the one on the path.
pub(crate) fn cargo() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A package that is a canister of canic.
fn canister(package: &Value) -> Result<Option<Canister>, Failure> {
    let targets = package["targets"].as_array().into_iter().flatten();
    let mut libraries = targets.filter(|target| {
        let kinds = target["kind"].as_array().into_iter().flatten();
        kinds.into_iter().any(|kind| kind == "cdylib")
    });
    let Some(library) = libraries.next() else {
        return Ok(None);
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let file = PathBuf::from(text(&library["src_path"]));
    let failed = |e: String| Failure::setup(format!("{}: {e}", file.display()));
    let source = fs::read_to_string(&file).map_err(|e| failed(e.to_string()))?;
    let plan = attributes::plan(&source).map_err(failed)?;
    let Some(declared) = declared(&source).map_err(failed)? else {
        return Ok(None);
    };
    let manifest = PathBuf::from(text(&package["manifest_path"]));
    Ok(Some(Canister {
        package: text(&package["name"]),
        crate_name: text(&library["name"]).replace('-', "_"),
        folder: manifest.parent().unwrap_or(Path::new("")).to_path_buf(),
        declared,
        plan,
    }))
}

impl Canister {
    /// The libraries whose modules it embeds.
    fn embeds(&self) -> BTreeSet<String> {
        let Declared::Root(roles) = &self.declared else {
            return BTreeSet::new();
        };
        roles
            .iter()
            .filter_map(|role| role.wasm.as_ref())
            .filter_map(Wasm::crate_name)
            .collect()
    }

    /// The module with its interface that `canic build` makes of it.
    pub(crate) fn module(&self, target: &Path) -> PathBuf {
        target
            .join("canic")
            .join(format!("{}.wasm", self.crate_name))
    }

    /// The role of a member; none of a root.
    pub(crate) fn role(&self) -> Option<&str> {
        match &self.declared {
            Declared::Role(role) => Some(&role.name),
            Declared::Root(_) => None,
        }
    }
}

/// Batches of canisters: each embeds modules of earlier batches only.
///
/// # Errors
/// Canisters embed each other in a circle.
pub(crate) fn batches(canisters: &[Canister]) -> Result<Vec<Vec<&Canister>>, Failure> {
    let mut waiting: Vec<&Canister> = canisters.iter().collect();
    let mut batches = Vec::new();
    while !waiting.is_empty() {
        let names: BTreeSet<String> = waiting.iter().map(|one| one.crate_name.clone()).collect();
        let (ready, later): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|one| one.embeds().is_disjoint(&names));
        if ready.is_empty() {
            let names: Vec<String> = names.into_iter().collect();
            let what = format!("these canisters embed each other: {}", names.join(", "));
            return Err(Failure::setup(what));
        }
        batches.push(ready);
        waiting = later;
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::attributes::{Role, RootRole};

    fn canister(name: &str, embeds: &[&str]) -> Canister {
        let roles = embeds.iter().map(|file| RootRole {
            name: "role".to_string(),
            wasm: Some(Wasm::File(format!("../target/canic/{file}.wasm.gz"))),
            ..RootRole::default()
        });
        let declared = match embeds {
            [] => Declared::Role(Role::default()),
            _ => Declared::Root(roles.collect()),
        };
        Canister {
            package: name.to_string(),
            crate_name: name.replace('-', "_"),
            folder: PathBuf::new(),
            declared,
            plan: None,
        }
    }

    #[test]
    fn embedded_modules_are_built_first() {
        let canisters = [canister("root", &["my-worker"]), canister("my-worker", &[])];
        let order = batches(&canisters).unwrap();
        let names: Vec<Vec<&str>> = order
            .iter()
            .map(|batch| batch.iter().map(|one| one.package.as_str()).collect())
            .collect();
        assert_eq!(names, [vec!["my-worker"], vec!["root"]]);
        let circle = [canister("a", &["b"]), canister("b", &["a"])];
        assert!(batches(&circle).is_err());
    }
}
