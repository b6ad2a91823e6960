//! `Cargo.lock`: the dependencies of the author's crate.
//!
//! A crate with `crate-type = ["cdylib"]` can be a dependency. Cargo builds it first and says so
//! nowhere on rustc's command line, because there is no library to link. The lock tells.

use std::{fs, path::Path};

/// Whether the package at `manifest` depends on the crate `name`; `None` if no lock tells.
pub(super) fn depends_on(manifest: &Path, package: &str, name: &str) -> Option<bool> {
    manifest.ancestors().find_map(|folder| {
        let lock = fs::read_to_string(folder.join("Cargo.lock")).ok()?;
        let dependencies = dependencies(&lock, package)?;
        Some(dependencies.contains(&name.to_owned()))
    })
}

/// The dependencies of a package, by the names of their crates.
fn dependencies(lock: &str, package: &str) -> Option<Vec<String>> {
    let name = format!("name = \"{package}\"");
    let mut tables = lock.split("[[package]]");
    // Only a package from elsewhere has a source.
    let table = tables
        .find(|table| table.lines().any(|line| line == name) && !table.contains("\nsource = "))?;
    let list = table
        .split_once("\ndependencies = [")
        .map_or("", |(_, list)| list);
    let list = list.split_once(']').map_or("", |(list, _)| list);
    let entries = list.lines().filter_map(|line| {
        let entry = line.trim().trim_end_matches(',').trim_matches('"');
        // A version follows the name if the lock has several packages of that name.
        entry.split(' ').next().filter(|name| !name.is_empty())
    });
    Some(entries.map(|name| name.replace('-', "_")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4

[[package]]
name = "root"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
dependencies = [
 "other",
]

[[package]]
name = "root"
version = "0.1.0"
dependencies = [
 "canic",
 "my-worker",
 "page 0.2.0",
]

[[package]]
name = "worker"
version = "0.1.0"
"#;

    #[test]
    fn the_lock_names_the_dependencies() {
        let root = dependencies(LOCK, "root").expect("it is in the lock");
        assert_eq!(root, ["canic", "my_worker", "page"]);
        assert_eq!(dependencies(LOCK, "worker"), Some(Vec::new()));
        assert_eq!(dependencies(LOCK, "page"), None);
    }
}
