//! The library of the end-to-end tests: builds of canisters and replica, a fleet on a fresh
//! instance, the replica's own view of it, and the audit at the end of every test.
//!
//! The tests drive real Wasm through the ordinary `pocket-ic` client. `POCKET_IC_BIN` names the
//! server; without it, the tests build and use `canic-replica`. On another server they skip, with a
//! note, the checks that need `canic-replica`: those of its trace, its accounts, and its list of
//! canisters.

pub mod audit;
pub mod costs;
pub mod fleet;
pub mod interface;
pub mod ledgers;
pub mod observe;
pub mod rollouts;
pub mod settings;

pub use audit::Audit;
pub use canic_artifacts as artifacts;
pub use canic_endpoints::user;
pub use fleet::Fleet;
pub use observe::Observer;

use std::{fs, path::Path};

/// Checks that each file in the folder `tests` of a package is a module of the `main.rs` there:
/// else its tests would never run.
///
/// # Panics
///
/// If the folder can't be read, or a file is missing in `main`.
pub fn assert_all_are_modules(package: &str, main: &str) {
    let folder = Path::new(package).join("tests");
    for file in fs::read_dir(folder).expect("the folder is there") {
        let name = file.expect("it can be read").file_name();
        let name = name.to_str().expect("a name in Unicode");
        let Some(module) = name.strip_suffix(".rs").filter(|name| *name != "main") else {
            continue;
        };
        let line = format!("mod {module};");
        assert!(
            main.lines().any(|known| known == line),
            "tests/main.rs lacks `{line}`"
        );
    }
}
