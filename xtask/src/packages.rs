//! The packages that can be published: what they say of themselves, and what is packed.

use std::{
    env,
    process::{Command, Output},
};

use canic_artifacts::workspace;
use serde::Deserialize;

/// The packages that others may depend on. All others have `publish = false`.
const PUBLISHED: [&str; 5] = [
    "canic",
    "canic-cli",
    "canic-macros",
    "canic-replica",
    "canic-runtime",
];

/// What cargo adds to a package.
const ADDED: [&str; 4] = [
    ".cargo_vcs_info.json",
    "Cargo.lock",
    "Cargo.toml",
    "Cargo.toml.orig",
];
/// What a package may hold besides `src`.
const PAGES: [&str; 6] = [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "SPECIFICATION.md",
    "operating.md",
    "replica.md",
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
