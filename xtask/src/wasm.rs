//! `cargo xtask wasm`: the canisters' modules and their sizes.

use std::fs;

use canic_artifacts as artifacts;

/// Builds all canisters and prints the size of each module in bytes, plain and gzipped at the
/// highest level.
///
/// # Errors
/// When a canister can't be built or read.
pub(crate) fn run() -> Result<(), String> {
    artifacts::ensure_wasm_target()?;
    let folder = artifacts::build_canisters()?;
    println!("{:<24} {:>10} {:>10}", "module", "bytes", "gzipped");
    for package in artifacts::CANISTERS.concat() {
        let path = folder.join(format!("{}.wasm", package.replace('-', "_")));
        let module = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let gzipped = artifacts::gzipped(&module);
        println!("{package:<24} {:>10} {:>10}", module.len(), gzipped.len());
    }
    println!("\nThe modules are in {}", folder.display());
    Ok(())
}
