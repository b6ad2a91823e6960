//! The packages that can be published: what they say of themselves, and what is packed. And what
//! the first program that a newcomer compiles links.

use std::{
    env, fs,
    process::{Command, Output},
};

use canic_artifacts::workspace;
use serde::Deserialize;

/// The packages that others may depend on. All others have `publish = false`.
const PUBLISHED: [&str; 6] = [
    "canic",
    "canic-cli",
    "canic-macros",
    "canic-replica",
    "canic-runtime",
    "canic-testing",
];

/// What cargo adds to a package.
const ADDED: [&str; 4] = [
    ".cargo_vcs_info.json",
    "Cargo.lock",
    "Cargo.toml",
    "Cargo.toml.orig",
];
/// What a package may hold besides `src`.
const PAGES: [&str; 7] = [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "SPECIFICATION.md",
    "operating.md",
    "replica.md",
    "testing.md",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    description: Option<String>,
    license: Option<String>,
    readme: Option<String>,
    rust_version: Option<String>,
    keywords: Vec<String>,
    categories: Vec<String>,
    publish: Option<Vec<String>>,
}

fn cargo(args: &[&str]) -> Output {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace())
        .args(args)
        .output()
        .expect("cargo runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "cargo {}: {message}",
        args.join(" ")
    );
    output
}

fn published() -> Vec<Package> {
    let output = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("metadata are JSON");
    let packages = metadata.packages.into_iter();
    packages
        .filter(|package| package.publish.is_none())
        .collect()
}

#[test]
fn packages_for_others_tell_what_they_are() {
    let mut names = Vec::new();
    for package in published() {
        let name = package.name;
        for (field, text) in [
            ("description", package.description),
            ("license", package.license),
            ("readme", package.readme),
            ("rust-version", package.rust_version),
        ] {
            assert!(
                text.is_some_and(|text| !text.is_empty()),
                "{name} has no {field}"
            );
        }
        assert!(
            (1..=5).contains(&package.keywords.len()),
            "the keywords of {name}"
        );
        assert!(!package.categories.is_empty(), "{name} has no categories");
        names.push(name);
    }
    names.sort();
    assert_eq!(names, PUBLISHED);
}

#[test]
fn the_guide_says_which_rust_is_needed() {
    let chapter = workspace().join("docs/first-fleet.md");
    let chapter = fs::read_to_string(chapter).expect("the guide has a first chapter");
    let sentence = concat!(
        "It needs Rust ",
        env!("CARGO_PKG_RUST_VERSION"),
        " or newer."
    );
    assert!(
        chapter.contains(sentence),
        "docs/first-fleet.md lacks `{sentence}`"
    );
}

#[test]
fn nothing_foreign_is_packed() {
    for name in PUBLISHED {
        let list = cargo(&[
            "package",
            "--list",
            "--allow-dirty",
            "--offline",
            "--package",
            name,
        ]);
        let list = String::from_utf8_lossy(&list.stdout);
        let files: Vec<&str> = list.lines().collect();
        assert!(
            files.contains(&"LICENSE"),
            "{name} has no licence: {files:?}"
        );
        let is_own =
            |file: &&&str| file.starts_with("src/") || ADDED.contains(file) || PAGES.contains(file);
        let foreign: Vec<_> = files.iter().filter(|file| !is_own(file)).collect();
        assert!(foreign.is_empty(), "{name} packs {foreign:?}");
    }
}

/// TLS, and the libraries in C beneath it, are no part of the demo and of the replica. HTTP and
/// async runtimes are no part of the demo, nor of the replica in an author's tests.
#[test]
fn the_demo_and_the_replica_link_what_they_show() {
    let tls = ["aws-lc-sys", "pocket-ic", "reqwest", "ring", "rustls"];
    let http = ["axum", "clap", "hyper", "tokio"];
    let cases: [(&[&str], Vec<&str>); 3] = [
        (&["canic-demo"], [&tls[..], &http].concat()),
        (
            &["canic-replica", "--no-default-features"],
            [&tls[..], &http].concat(),
        ),
        (&["canic-replica"], tls.to_vec()),
    ];
    for (package, unwanted) in cases {
        let args = [
            "tree",
            "--offline",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
        ];
        let tree = cargo(&[&args[..], &["--package"], package].concat());
        let tree = String::from_utf8_lossy(&tree.stdout);
        let names = tree.lines().filter_map(|line| line.split(' ').next());
        let found: Vec<&str> = names.filter(|name| unwanted.contains(name)).collect();
        assert!(found.is_empty(), "{package:?} links {found:?}");
        assert!(tree.contains("wasmtime"), "{tree}");
    }
}
