//! All tests on the fault matrix, in one binary: what they share is linked once, and all run in
//! parallel. `cargo test -p canic-fault-tests -- share::` runs those of a file.

mod cost;
mod docs;
mod failed;
mod funding;
mod members;
mod refuel;
mod rollouts;
mod share;

use std::{fs, path::Path};

#[test]
fn every_file_of_this_folder_is_part_of_this_binary() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for file in fs::read_dir(folder).expect("the folder is there") {
        let name = file.expect("it can be read").file_name();
        let name = name.to_str().expect("a name in Unicode");
        let Some(module) = name.strip_suffix(".rs").filter(|name| *name != "main") else {
            continue;
        };
        let line = format!("mod {module};");
        assert!(
            include_str!("main.rs").lines().any(|known| known == line),
            "tests/main.rs lacks `{line}`"
        );
    }
}
