//! `cargo xtask wasm`: the canisters' modules and their sizes.

use std::{
    fs,
    io::{self, Write},
};

use canic_fleet_tests::artifacts;
use flate2::{Compression, write::GzEncoder};

use crate::toolchain;

/// Builds all canisters and prints the size of each module in bytes, plain and gzipped at the
/// highest level.
///
/// # Errors
/// When a canister can't be built or read.
pub(crate) fn run() -> Result<(), String> {
    toolchain::ensure_wasm_target()?;
    let folder = artifacts::build_canisters()?;
    println!("{:<24} {:>10} {:>10}", "module", "bytes", "gzipped");
    for package in artifacts::CANISTERS.concat() {
        let path = folder.join(format!("{}.wasm", package.replace('-', "_")));
        let module = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let gzipped = gzip(&module).map_err(|e| format!("{package}: {e}"))?;
        println!("{package:<24} {:>10} {:>10}", module.len(), gzipped.len());
    }
    println!("\nThe modules are in {}", folder.display());
    Ok(())
}

/// Compresses bytes at the highest level of gzip.
///
/// # Errors
/// Never: writing to memory does not fail.
pub(crate) fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
