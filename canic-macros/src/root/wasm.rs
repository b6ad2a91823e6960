//! Wasm modules that the build of a root embeds.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use syn::LitStr;

use crate::diag::Errors;

/// The first bytes of a module and of a component: the same magic, but another layer than 0.
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The command that builds a module; the package depends on the author's workspace.
const BUILD: &str = "`cargo build --target wasm32-unknown-unknown --release -p <package>`";

/// Checks the first bytes of the file at `path`, relative to the manifest of the author's crate.
pub(super) fn check(path: &LitStr, errors: &mut Errors) -> Option<LitStr> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    match module_error(Path::new(&manifest), &path.value()) {
        None => Some(path.clone()),
        Some(error) => {
            errors.report(path, error);
            None
        }
    }
}

fn module_error(manifest: &Path, path: &str) -> Option<String> {
    if path.is_empty() || Path::new(path).is_absolute() {
        return Some(
            "expected the path of a Wasm file, relative to the Cargo.toml of this crate".to_owned(),
        );
    }
    let mut head = [0; MODULE.len()];
    let read = File::open(manifest.join(path)).and_then(|mut file| {
        let mut filled = 0;
        loop {
            match file.read(&mut head[filled..])? {
                0 => return Ok(filled),
                more => filled += more,
            }
        }
    });
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Some(format!(
            "there is no file `{path}` (seen from the Cargo.toml of this crate); \
             build the module first: {BUILD}"
        )),
        Err(error) => Some(format!("`{path}` cannot be read: {}", error.kind())),
        Ok(0) => Some(format!(
            "the file `{path}` is empty; build the module again: {BUILD}"
        )),
        Ok(_) if head == MODULE || head.starts_with(&GZIP) => None,
        Ok(_) if head == COMPONENT => Some(format!(
            "the file `{path}` is a Wasm component, which no canister can run; \
             a module is built by {BUILD}"
        )),
        Ok(_) => Some(format!(
            "the file `{path}` is neither Wasm nor gzipped Wasm; a module is built by {BUILD}"
        )),
    }
}
