//! The two rules about rooms that keep a member free of root's code, and the runtime portable.
//!
//! `cargo xtask rooms` checks the floors and circles of all crates.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The Rust files below a folder of `src`.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(folder),
    ];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has no files");
    files
}

/// A file's code without its comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("the file can be read");
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The rooms that code names: the first segments of its paths below `crate::`.
fn rooms(code: &str) -> Vec<&str> {
    let segment_end = |path: &str| path.find(|c: char| !c.is_alphanumeric() && c != '_');
    let first = |path| segment_end(path).map_or(path, |end| &path[..end]);
    let mut rooms = Vec::new();
    for path in code.split("crate::").skip(1) {
        let Some(tree) = path.strip_prefix('{') else {
            rooms.push(first(path));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (at, c) in tree.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    rooms.push(first(tree[start..at].trim_start()));
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    rooms
}

#[test]
fn only_the_platform_names_ic_cdk() {
    for file in files("") {
        let inside = file.components().any(|part| part.as_os_str() == "platform");
        // `lib.rs` hands it on to generated code.
        let is_lib = file.ends_with("src/lib.rs");
        assert!(
            inside || is_lib || !code(&file).contains("ic_cdk"),
            "{} names ic_cdk",
            file.display()
        );
    }
}

#[test]
fn rooms_that_members_link_never_name_roots_rooms() {
    for folder in ["member", "endpoint", "codec", "metrics"] {
        for file in files(folder) {
            let code = code(&file);
            let roots = rooms(&code)
                .into_iter()
                .find(|room| ["state", "root"].contains(room));
            assert_eq!(roots, None, "in {}", file.display());
        }
    }
}

#[test]
fn rooms_are_found_in_every_form_of_path() {
    let code = "use crate::{api::{A, state}, root, codec::x};
                fn f() { crate::state::with(|root| crate::api::root()) }";
    assert_eq!(rooms(code), ["api", "root", "codec", "state", "api"]);
}
