//! `cargo xtask did`: the Candid interfaces that are checked in.

use crate::toolchain;
use canic_fleet_tests::{artifacts, interface};
use std::{env, fs};

/// Builds all canisters and writes their interfaces beside their manifests; says which ones have changed.
///
/// # Errors
/// When one can't be built, has no interface, or can't be written.
pub(crate) fn run() -> Result<(), String> {
    if env::var_os(artifacts::CANISTERS_DIR).is_none() {
        toolchain::ensure_wasm_target()?;
    }
    for interface in interface::all()? {
        let file = interface.file.display();
        if interface.checked_in.as_ref() == Some(&interface.told) {
            println!("{file}: as it was");
        } else {
            fs::write(artifacts::workspace().join(&interface.file), interface.told)
                .map_err(|e| format!("{file}: {e}"))?;
            println!("{file}: written");
        }
    }
    Ok(())
}
