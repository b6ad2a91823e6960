//! The toolchain that builds canisters.

use std::{path::Path, process::Command};

use crate::WASM_TARGET;

/// Installs the target that canisters are compiled for, if it is missing.
///
/// # Errors
/// When it is missing and can't be installed; the message says how to install it by hand.
pub fn ensure_wasm_target() -> Result<(), String> {
    if has_wasm_target()? {
        return Ok(());
    }
    println!("the target {WASM_TARGET} is missing: rustup target add {WASM_TARGET}");
    let added = Command::new("rustup")
        .args(["target", "add", WASM_TARGET])
        .status();
    match added {
        Ok(status) if status.success() && has_wasm_target()? => Ok(()),
        Ok(_) => Err(format!(
            "rustup could not add {WASM_TARGET}; its message is above"
        )),
        Err(e) => Err(format!(
            "rustup can't be run ({e}). Install the Rust standard library for {WASM_TARGET} \
             with the program that installed this Rust, then run this again"
        )),
    }
}

fn has_wasm_target() -> Result<bool, String> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output()
        .map_err(|e| format!("rustc can't be run: {e}"))?;
    let folder = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(folder.trim()).is_dir())
}
