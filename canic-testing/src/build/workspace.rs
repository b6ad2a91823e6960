//! The author's workspace, by `cargo metadata`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::Value;

/// A workspace.
#[derive(Clone, Debug)]
pub(super) struct Workspace {
    pub(super) root: PathBuf,
    /// The folder of built files.
    pub(super) target: PathBuf,
    pub(super) packages: Vec<Package>,
    /// The profile that builds canisters: `canister`, if the workspace has it, or `release`.
    pub(super) profile: &'static str,
}

/// A package whose library is a module.
#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) name: String,
    /// The name of its module's file, without the extension.
    pub(super) stem: String,
    /// The root file of its library.
    source: PathBuf,
    folder: PathBuf,
}

/// The cargo that runs the test, or the one on the path.
pub(super) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The workspace of the package whose test this is.
pub(super) fn workspace() -> Result<&'static Workspace, String> {
    static WORKSPACE: OnceLock<Result<Workspace, String>> = OnceLock::new();
    let workspace = WORKSPACE.get_or_init(read_workspace);
    workspace.as_ref().map_err(Clone::clone)
}

fn read_workspace() -> Result<Workspace, String> {
    let mut command = cargo();
    command.args(["metadata", "--no-deps", "--format-version=1"]);
    // Cargo tells a test the folder of its package.
    if let Some(folder) = env::var_os("CARGO_MANIFEST_DIR") {
        command.current_dir(folder);
    }
    let output = command.output();
    let output = output.map_err(|e| format!("cargo can't be run: {e}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`cargo metadata` failed: {}", why.trim()));
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo's metadata: {e}"))?;
    let path = |name: &str| PathBuf::from(metadata[name].as_str().unwrap_or_default());
    let root = path("workspace_root");
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    Ok(Workspace {
        target: path("target_directory"),
        packages: packages.filter_map(package).collect(),
        profile: if manifest.contains("[profile.canister]") {
            "canister"
        } else {
            "release"
        },
        root,
    })
}

fn package(package: &Value) -> Option<Package> {
    let text = |value: &Value| value.as_str().map(str::to_string);
    let mut targets = package["targets"].as_array()?.iter();
    let library = targets.find(|target| {
        let mut kinds = target["kind"].as_array().into_iter().flatten();
        kinds.any(|kind| kind == "cdylib")
    })?;
    let manifest = PathBuf::from(text(&package["manifest_path"])?);
    Some(Package {
        name: text(&package["name"])?,
        stem: text(&library["name"])?.replace('-', "_"),
        source: PathBuf::from(text(&library["src_path"])?),
        folder: manifest.parent()?.to_path_buf(),
    })
}

impl Workspace {
    /// The package of a name.
    pub(super) fn package(&self, name: &str) -> Result<&Package, String> {
        let mut packages = self.packages.iter();
        packages
            .find(|package| package.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = self.packages.iter().map(|one| one.name.as_str()).collect();
                format!(
                    "the workspace at {} has no canister `{name}`: a package whose library has the \
                 crate-type `cdylib`; it has {}",
                    self.root.display(),
                    names.join(", ")
                )
            })
    }
}

/// The package whose module is that of a role: the one whose source says `#[canic::role("name"`. Of
/// several the ones beside root's folder count.
///
/// # Errors
/// There is none, or there are several: a sentence that says what to write.
pub(crate) fn package_of_role(role: &str, root: &str) -> Result<String, String> {
    let workspace = workspace()?;
    let mut found: Vec<&Package> = workspace
        .packages
        .iter()
        .filter(|package| declares(&package.source, role))
        .collect();
    let beside = |package: &Package| package.folder.parent().map(Path::to_path_buf);
    let of_root = workspace.package(root).ok().and_then(beside);
    if found.len() > 1 {
        found.retain(|package| beside(package) == of_root);
    }
    match found.as_slice() {
        [package] => Ok(package.name.clone()),
        [] => Err(format!(
            "root has no module for its role `{role}`, and no single package of the workspace \
             says `#[canic::role(\"{role}\")]`: name it with `.role(\"{role}\", \"its-package\")`"
        )),
        several => {
            let names: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
            Err(format!(
                "these packages say `#[canic::role(\"{role}\")]`: {}; name one with \
                 `.role(\"{role}\", \"{}\")`",
                names.join(", "),
                names[0]
            ))
        }
    }
}

/// Whether a source file declares a role.
fn declares(source: &Path, role: &str) -> bool {
    let text = fs::read_to_string(source).unwrap_or_default();
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    code.contains(&format!("role(\"{role}\"")) && code.contains("#[canic::role(")
}
