//! UI cases of the macros: code that they accept, and their errors about other code, a case a rule.
//!
//! A new case is a file `tests/ui/{root,role,endpoint}/{pass,fail}/<rule>.rs`; no list names it.
//! `TRYBUILD=overwrite cargo test --test ui` writes the `.stderr` beside each fail case, to be
//! reviewed like code. A line `//# not: fragment` in a fail case names text that must not appear in
//! its errors, such as a follow-up error.

mod nested;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Once,
};

use trybuild::TestCases;

use crate::nested::cargo;

/// Text that no fail case may show: names inside an expansion, a panic of a macro, lints about the
/// author's item.
const FORBIDDEN: [&str; 4] = [
    "__canic",
    "attribute panicked",
    "warning:",
    "internal error",
];

/// The editions whose rules authors may have.
const EDITIONS: [&str; 2] = ["2021", "2024"];

/// Each pass case is linked as a program. One command builds all, where trybuild takes as many.
#[test]
fn pass() {
    let [_, newest] = EDITIONS;
    let output = cargo(&project(newest))
        .args(["build", "--offline", "--quiet", "--keep-going", "--bins"])
        .output()
        .expect("cargo runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

#[test]
fn fail() {
    prepare_trybuild();
    TestCases::new().compile_fail("tests/ui/*/fail/*.rs");
}

/// A mistake raises its own error and no follow-up error.
#[test]
fn errors_do_not_cascade() {
    let mut broken = Vec::new();
    for case in cases("fail") {
        let name = case.display();
        let source = fs::read_to_string(&case).expect("the case is readable");
        let output = case.with_extension("stderr");
        let Ok(output) = fs::read_to_string(&output) else {
            broken.push(format!("{name}: there is no {}", output.display()));
            continue;
        };
        let own: Vec<&str> = source
            .lines()
            .filter_map(|line| line.strip_prefix("//# not: "))
            .collect();
        if own.is_empty() {
            broken.push(format!("{name}: has no line `//# not: fragment`"));
        }
        let forbidden = own.into_iter().chain(FORBIDDEN);
        for fragment in forbidden.filter(|fragment| output.contains(fragment)) {
            broken.push(format!("{name}: shows {fragment:?}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The expansions of the pass cases raise no lint, in either edition.
#[test]
fn expansions_raise_no_lint() {
    // As programs, where rustc reports unused items; as libraries, where public items need docs.
    let lints: [(&str, &[&str]); 2] = [
        (
            "--bins",
            &["-Dwarnings", "-Dclippy::all", "-Dclippy::pedantic"],
        ),
        (
            "--examples",
            &["-Dmissing_docs", "-Dunreachable_pub", "-Adead_code"],
        ),
    ];
    for edition in EDITIONS {
        for (targets, lints) in lints {
            let output = cargo(&project(edition))
                .args(["clippy", "--offline", "--quiet", "--keep-going", targets])
                .arg("--")
                .args(lints)
                .output()
                .expect("cargo runs");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "edition {edition}, {targets}:\n{stderr}"
            );
        }
    }
}

/// The folder of a package with each pass case, in an edition. Tests that run in parallel share it.
fn project(edition: &str) -> PathBuf {
    static PREPARED: Once = Once::new();
    let folder =
        |edition| Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ui-cases-{edition}"));
    PREPARED.call_once(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for edition in EDITIONS {
            let project = folder(edition);
            fs::create_dir_all(&project).expect("the folder can be made");
            place_fixtures(&project);
            fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock"))
                .expect("the lock is there");
            fs::write(project.join("Cargo.toml"), manifest(root, edition))
                .expect("the manifest can be written");
        }
    });
    folder(edition)
}

/// The manifest of a package with each pass case as a program and as a library.
fn manifest(root: &Path, edition: &str) -> String {
    let mut manifest = format!(
        "[workspace]\n\
         [package]\nname = \"ui-cases\"\nversion = \"0.0.0\"\nedition = \"{edition}\"\n\
         [dependencies]\ncanic = {{ path = {:?} }}\ncandid = \"0.10\"\nic-cdk = \"0.20\"\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n",
        root.display().to_string()
    );
    for case in cases("pass") {
        let relative = case.strip_prefix(root).expect("cases are in the package");
        let name = relative.with_extension("").display().to_string();
        let name = name.replace("tests/ui/", "").replace('/', "-");
        let path = case.display().to_string();
        manifest += &format!("[[bin]]\nname = {name:?}\npath = {path:?}\n");
        manifest += &format!(
            "[[example]]\nname = \"lib-{name}\"\npath = {path:?}\ncrate-type = [\"lib\"]\n"
        );
    }
    manifest
}

/// The cases of one kind, in order.
fn cases(kind: &str) -> Vec<PathBuf> {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut cases = Vec::new();
    for group in ["root", "role", "endpoint"] {
        let folder = ui.join(group).join(kind);
        let entries = fs::read_dir(&folder).expect("each group has its folder");
        let paths = entries.map(|entry| entry.expect("the folder is readable").path());
        cases.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "rs")));
    }
    cases.sort();
    assert!(!cases.is_empty(), "no {kind} cases in {}", ui.display());
    cases
}

/// Prepares the package in which trybuild compiles the cases.
fn prepare_trybuild() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tests");
    let project = target.join("trybuild").join(env!("CARGO_PKG_NAME"));
    place_fixtures(&project);
    // Nobody debugs what it compiles.
    let config = project.join(".cargo");
    fs::create_dir_all(&config).expect("the folder can be made");
    fs::write(config.join("config.toml"), "[profile.dev]\ndebug = false\n")
        .expect("the configuration can be written");
}

/// Copies the modules that cases embed beside the package's manifest, where the paths in
/// `wasm = ".."` start.
fn place_fixtures(project: &Path) {
    let target = project.join("fixtures");
    fs::create_dir_all(&target).expect("the folder can be made");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/fixtures");
    for file in fs::read_dir(source).expect("there are fixtures") {
        let file = file.expect("the folder is readable");
        fs::copy(file.path(), target.join(file.file_name())).expect("the fixture can be copied");
    }
}
