//! Packages outside the workspace, like an author's: rebuilds after a change of an embedded module,
//! and a crate that depends on canic alone.

mod nested;

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::nested::cargo;

/// The smallest module, and one with a custom section.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const OTHER: &[u8] = b"\0asm\x01\0\0\0\0\x05\x04note";

const EMBEDS: &str = r#"#[canic::root(role(name = "worker", wasm = "worker.wasm"))]
pub struct Fleet;
canic::export_candid!();
"#;
/// The position of the module's path in `EMBEDS`.
const LITERAL: &str = "src/lib.rs:1:44";

#[test]
fn a_changed_module_causes_a_rebuild() {
    let root = Package::new("changes", EMBEDS);
    root.write(MODULE);
    root.compiles(Fresh(false));
    root.compiles(Fresh(true));
    root.write(OTHER);
    root.compiles(Fresh(false));
    root.compiles(Fresh(true));
    root.write(b"no module");
    root.is_refused("is neither Wasm nor gzipped Wasm");
    root.remove();
    root.is_refused("there is no file `worker.wasm`");
}

#[test]
fn a_build_succeeds_once_the_module_is_there() {
    let root = Package::new("built-later", EMBEDS);
    root.remove();
    root.is_refused("there is no file `worker.wasm`");
    root.write(b"");
    root.is_refused("the file `worker.wasm` is empty");
    root.write(MODULE);
    root.compiles(Fresh(false));
}

/// The attributes and the export need no dependency but canic. Candid's derive needs candid, and
/// the error points at the type.
#[test]
fn a_crate_without_candid_compiles_unless_it_derives() {
    let plain = "use canic::prelude::*;
        #[canic::role(\"worker\")]
        pub struct Worker;
        #[canic::query(allow(controller))]
        fn owner() -> Option<Principal> { None }
        canic::export_candid!();";
    let package = Package::new("without-candid", plain);
    package.check().expect("it compiles");
    let derived = format!("{plain} #[derive(CandidType)] pub struct Job;");
    let stderr = Package::new("without-candid", &derived)
        .check()
        .expect_err("Candid's derive needs candid");
    let reason = "could not find `candid` in the list of imported crates";
    assert!(
        stderr.contains(reason) && stderr.contains("#[derive(CandidType)]"),
        "{stderr}"
    );
}

/// Whether cargo found the package up to date.
#[derive(Debug, PartialEq)]
struct Fresh(bool);

/// A package that depends on canic alone, in a folder of its own.
struct Package(PathBuf);

impl Package {
    fn new(name: &str, source: &str) -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("package-{name}"));
        fs::create_dir_all(folder.join("src")).expect("the folder can be made");
        let manifest = format!(
            "[workspace]\n\
             [package]\nname = \"package-{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [dependencies]\ncanic = {{ path = {workspace:?} }}\n"
        );
        fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock"))
            .expect("the lock is there");
        fs::write(folder.join("Cargo.toml"), manifest).expect("the manifest can be written");
        fs::write(folder.join("src/lib.rs"), source).expect("the source can be written");
        Self(folder)
    }

    fn module(&self) -> PathBuf {
        self.0.join("worker.wasm")
    }

    fn write(&self, module: &[u8]) {
        fs::write(self.module(), module).expect("the module can be written");
    }

    fn remove(&self) {
        // An earlier run may have left the file.
        if self.module().exists() {
            fs::remove_file(self.module()).expect("the module can be removed");
        }
    }

    #[track_caller]
    fn compiles(&self, expected: Fresh) {
        assert_eq!(self.check(), Ok(expected));
    }

    #[track_caller]
    fn is_refused(&self, because: &str) {
        let errors = self.check().expect_err("it does not compile");
        assert!(errors.contains(because), "{errors}");
        assert!(errors.contains(LITERAL), "{errors}");
    }

    /// Runs `cargo check`; the error is its output.
    fn check(&self) -> Result<Fresh, String> {
        let output = cargo(&self.0)
            .args(["check", "--offline", "--quiet"])
            .arg("--message-format=json-render-diagnostics")
            .output()
            .expect("cargo runs");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let messages = String::from_utf8(output.stdout).expect("cargo writes text");
        let manifest = self.0.join("Cargo.toml");
        let fresh = messages.lines().find_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let ours = message["manifest_path"].as_str().map(Path::new) == Some(&manifest);
            message["fresh"].as_bool().filter(|_| ours)
        });
        Ok(Fresh(fresh.expect("cargo has a message about the package")))
    }
}
