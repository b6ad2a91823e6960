//! Workspaces of an author's in which root embeds the module of another crate. Whatever changes,
//! root's build embeds the present module or fails.

mod nested;

use std::{
    fs,
    path::{Path, PathBuf},
};

const CDYLIB: &str = "crate-type = [\"cdylib\"]";

const WASM: &[&str] = &["--target", "wasm32-unknown-unknown"];

/// A crate without canic, whose module holds the text of `NAME` and that of its types.
const WORKER: &str = r#"
#[unsafe(no_mangle)]
pub extern "C" fn name() -> *const u8 {
    concat!("worker 1, ", types::types!()).as_ptr()
}
"#;

const TYPES: &str = r#"
#[macro_export]
macro_rules! types { () => { "types 1;" } }
"#;

/// One command builds both, in the order that the dependency asks for, whatever the target folder
/// is. Neither a check nor the host needs a module.
#[test]
fn a_dependency_is_embedded_as_it_is_now() {
    let fleet = Workspace::new("dependency", "dependency_worker");
    fleet.depend(CDYLIB);
    fleet
        .cargo("check", &["-p", "dependency-root"])
        .expect("the host needs no module");
    let check = [WASM, &["-p", "dependency-root"]].concat();
    fleet
        .cargo("check", &check)
        .expect("a check needs no module");

    assert_eq!(fleet.embedded(), "worker 1, types 1;");
    fleet.edit("worker", "worker 1", "worker 2");
    assert_eq!(fleet.embedded(), "worker 2, types 1;");
    fleet.edit("types", "types 1", "types 2");
    assert_eq!(fleet.embedded(), "worker 2, types 2;");
    fleet.edit("worker", "worker 2", "worker 3");
    let both = [WASM, &["-p", "dependency-root", "-p", "dependency-worker"]].concat();
    fleet
        .cargo("build", &both)
        .expect("both can be built at once");
    assert_eq!(fleet.embedded(), "worker 3, types 2;");

    // The module of the last build is still there.
    fleet.depend("");
    let error = fleet.build_root().expect_err("the worker is a library now");
    shows(
        &error,
        "cargo built no module of `dependency_worker`; its Cargo.toml needs",
    );
    shows(&error, "root/src/lib.rs:1:44");
}

#[test]
fn a_crate_that_cargo_would_not_build_first_is_refused() {
    let fleet = Workspace::new("stranger", "stranger_worker");
    let error = fleet
        .cargo("check", &["-p", "stranger-root"])
        .expect_err("no dependency");
    shows(
        &error,
        "`stranger_worker` is not a dependency of this crate",
    );
    shows(&error, "root/src/lib.rs:1:44");
}

/// Cargo does not know that root needs the file, but root's build sees that a source is newer.
#[test]
fn a_file_is_embedded_only_if_no_source_is_newer() {
    let file = "\"../../packages-target/wasm32-unknown-unknown/debug/file_worker.wasm\"";
    let fleet = Workspace::new("file", file);
    let root = ["-p", "file-root"];
    let worker = [WASM, &["-p", "file-worker"]].concat();
    fleet
        .cargo("build", &worker)
        .expect("the worker can be built");
    fleet.cargo("check", &root).expect("the module is new");
    for source in ["worker", "types"] {
        fleet.edit(source, " 1", " 2");
        let error = fleet.cargo("check", &root).expect_err("the module is old");
        shows(
            &error,
            &format!("was built before `{source}/src/lib.rs` changed"),
        );
        shows(
            &error,
            "`wasm = file_worker`, with that crate among the [dependencies]",
        );
        shows(&error, "root/src/lib.rs:1:44");
        fleet
            .cargo("build", &worker)
            .expect("the worker can be built again");
        fleet
            .cargo("check", &root)
            .expect("the module is new again");
    }
}

/// The linker would refuse it, too: both canisters export the same functions.
#[test]
fn a_canister_can_not_link_another_one() {
    let fleet = Workspace::new("linked", "linked_worker");
    let worker = "#[canic::role(\"worker\")]\npub struct Worker;\npub struct Args;\n\
                  canic::export_candid!();\n";
    let both = r#"crate-type = ["cdylib", "rlib"]"#;
    fleet.package("worker", both, &canic_dependency(), worker);
    let dependencies = canic_dependency() + "linked-worker = { path = \"../worker\" }\n";
    fleet.write(
        "root/Cargo.toml",
        &fleet.manifest("root", CDYLIB, &dependencies),
    );
    let root = ["-p", "linked-root"];
    fleet
        .cargo("check", &root)
        .expect("root names nothing of the worker's crate");

    let export = "canic::export_candid";
    let types = format!("pub type Args = linked_worker::Args;\n{export}");
    fleet.edit("root", export, &types);
    let error = fleet
        .cargo("check", &root)
        .expect_err("root's module would be two canisters");
    shows(&error, "HasOneCanister<_>");
    shows(&error, "another `impl` found in the `linked_worker` crate");
    shows(
        &error,
        "types that they share go into a library of their own",
    );
}

/// The files of the README are a workspace that its one command builds.
#[test]
fn the_fleet_of_the_readme_is_built_by_its_one_command() {
    let canic = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(canic.join("README.md")).expect("the README is there");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let here = format!("{:?}", env!("CARGO_MANIFEST_DIR"));
    let mut files = 0;
    let mut lines = readme.lines().peekable();
    while let Some(line) = lines.next() {
        // `path`, perhaps with a remark, then the file as a block.
        let path = line.strip_prefix('`').and_then(|line| line.split_once('`'));
        let (Some((path, _)), Some(true)) =
            (path, lines.peek().map(|next| next.starts_with("```")))
        else {
            continue;
        };
        let block = lines.by_ref().skip(1).take_while(|line| *line != "```");
        let content: String = block.flat_map(|line| [line, "\n"]).collect();
        let file = folder.join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        fs::write(file, content.replace("\"../../canic\"", &here)).expect("written");
        files += 1;
    }
    assert_eq!(files, 8, "the files of the README");
    fs::copy(canic.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock is there");
    let command = "cargo build --release --target wasm32-unknown-unknown -p root";
    assert!(readme.contains(command), "the one command");
    // Without the profile for small modules: it takes long, and changes no rule.
    let output = nested::cargo(&folder)
        .args(["build", "--offline", "--quiet", "-p", "root"])
        .args(WASM)
        .output()
        .expect("cargo runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    assert!(
        nested::target()
            .join("wasm32-unknown-unknown/debug/root.wasm")
            .exists()
    );
}

#[track_caller]
fn shows(output: &str, text: &str) {
    assert!(output.contains(text), "no {text:?} in:\n{output}");
}

/// A workspace with a root, a worker, and a library of types for both.
struct Workspace {
    name: &'static str,
    folder: PathBuf,
}

impl Workspace {
    /// `wasm` is the place of the module, as root writes it.
    fn new(name: &'static str, wasm: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("modules-{name}"));
        let workspace = Self { name, folder };
        workspace.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"root\", \"worker\", \"types\"]\n",
        );
        let canic = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::copy(
            canic.join("Cargo.lock"),
            workspace.folder.join("Cargo.lock"),
        )
        .expect("the lock is there");
        let root = format!(
            "#[canic::root(role(name = \"worker\", wasm = {wasm}))]\npub struct Fleet;\n\
             canic::export_candid!();\n"
        );
        workspace.package("root", CDYLIB, &canic_dependency(), &root);
        let types = format!("types = {{ path = \"../types\", package = \"{name}-types\" }}\n");
        workspace.package("worker", CDYLIB, &types, WORKER);
        workspace.package("types", "", "", TYPES);
        workspace
    }

    /// Makes the worker a dependency of root, with this `[lib]`.
    fn depend(&self, lib: &str) {
        let name = self.name;
        let worker = format!("{name}-worker = {{ path = \"../worker\" }}\n");
        let dependencies = canic_dependency() + &worker;
        self.write(
            "root/Cargo.toml",
            &self.manifest("root", CDYLIB, &dependencies),
        );
        let types = format!("types = {{ path = \"../types\", package = \"{name}-types\" }}\n");
        self.write("worker/Cargo.toml", &self.manifest("worker", lib, &types));
    }

    fn package(&self, member: &str, lib: &str, dependencies: &str, source: &str) {
        let manifest = self.manifest(member, lib, dependencies);
        self.write(&format!("{member}/Cargo.toml"), &manifest);
        self.write(&format!("{member}/src/lib.rs"), source);
    }

    fn manifest(&self, member: &str, lib: &str, dependencies: &str) -> String {
        let name = self.name;
        format!(
            "[package]\nname = \"{name}-{member}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [lib]\n{lib}\n[dependencies]\n{dependencies}"
        )
    }

    fn write(&self, file: &str, content: &str) {
        let path = self.folder.join(file);
        let folder = path.parent().expect("a file is in a folder");
        fs::create_dir_all(folder).expect("the folder can be made");
        fs::write(path, content).expect("the file can be written");
    }

    fn edit(&self, member: &str, from: &str, to: &str) {
        let file = format!("{member}/src/lib.rs");
        let source = fs::read_to_string(self.folder.join(&file)).expect("the source is there");
        assert!(source.contains(from), "{source}");
        self.write(&file, &source.replace(from, to));
    }

    fn build_root(&self) -> Result<(), String> {
        let root = format!("{}-root", self.name);
        self.cargo("build", &[WASM, &["-p", &root]].concat())
    }

    /// Builds root, and reads the text in the module that it embeds.
    #[track_caller]
    fn embedded(&self) -> String {
        self.build_root().expect("root can be built");
        let root = format!("wasm32-unknown-unknown/debug/{}_root.wasm", self.name);
        let root = fs::read(nested::target().join(root)).expect("root is built");
        let worker = b"worker ";
        let start = root
            .windows(worker.len())
            .position(|text| text.starts_with(worker));
        let text = String::from_utf8_lossy(&root[start.expect("a module is embedded")..]);
        let end = text.find(';').expect("the text has an end");
        text[..=end].to_owned()
    }

    /// Runs cargo; the error is its output.
    fn cargo(&self, command: &str, arguments: &[&str]) -> Result<(), String> {
        let output = nested::cargo(&self.folder)
            .args([command, "--offline", "--quiet"])
            .args(arguments)
            .output()
            .expect("cargo runs");
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

fn canic_dependency() -> String {
    format!("canic = {{ path = {:?} }}\n", env!("CARGO_MANIFEST_DIR"))
}
