//! `cargo xtask did`: the checked-in Candid interfaces.

use std::{env, fs};

use canic_artifacts as artifacts;
use canic_fleet_tests::interface;

/// Builds all canisters, writes their interfaces beside their manifests, and prints which of them
/// have changed.
///
/// # Errors
/// When a canister can't be built or has no interface, or an interface can't be written.
pub(crate) fn run() -> Result<(), String> {
    if env::var_os(artifacts::CANISTERS_DIR).is_none() {
        artifacts::ensure_wasm_target()?;
    }
    for interface in interface::all()? {
        let file = interface.file.display();
        if interface.checked_in.as_ref() == Some(&interface.exported) {
            println!("{file}: unchanged");
        } else {
            fs::write(
                artifacts::workspace().join(&interface.file),
                interface.exported,
            )
            .map_err(|e| format!("{file}: {e}"))?;
            println!("{file}: written");
        }
    }
    Ok(())
}
