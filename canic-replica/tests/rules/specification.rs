//! The table of the interface specification names tests that exist.

use std::{collections::BTreeSet, fs, path::Path};

/// The rows of the table: version, item, what the replica does, and the tests.
fn rows() -> Vec<[&'static str; 4]> {
    let lines = include_str!("../../SPECIFICATION.md").lines();
    let rows = lines.filter(|line| line.starts_with("| 0."));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        cells
            .try_into()
            .unwrap_or_else(|_| panic!("four cells: {row}"))
    })
    .collect()
}

/// The names of the test functions in the files of a folder and below it.
fn tests(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, names);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("#[test]").skip(1) {
            let (_, name) = part.split_once("fn ").unwrap();
            names.insert(name.split('(').next().unwrap().to_owned());
        }
    }
}

#[test]
fn every_item_of_the_specification_is_tested_by_a_test_that_exists() {
    let mut names = BTreeSet::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests(&folder, &mut names);
    for [version, item, replica, tested_by] in rows() {
        assert!(!replica.is_empty(), "{version} {item}");
        let named: Vec<_> = tested_by.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{version} {item} names no test");
        for name in named {
            assert!(names.contains(name), "{version} {item}: no test {name}");
        }
    }
}

#[test]
fn the_table_has_each_version_of_the_specification() {
    let versions: BTreeSet<_> = rows().into_iter().map(|[version, ..]| version).collect();
    let expected: BTreeSet<_> = (46..=66).map(|minor| format!("0.{minor}")).collect();
    assert!(versions.into_iter().eq(expected.iter().map(String::as_str)));
}
