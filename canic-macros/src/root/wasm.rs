//! Wasm modules that the build of a root embeds.
//!
//! The module of a dependency, `wasm = worker`, is always the right one: cargo builds the
//! dependency first, and root again after it. A file, `wasm = "worker.wasm"`, may be older than its
//! sources.

use std::{
    env,
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use syn::{Ident, LitStr};

use super::{
    build::{Build, Dependency},
    gzip, init_type, lock,
    model::{Module, Place},
    sources,
};
use crate::{diag::Errors, values::ModuleValue};

/// The first bytes of a module and of a component: the same magic, but another layer than 0.
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// The command that builds a module; the package depends on the author's workspace.
const BUILD: &str = "`cargo build --target wasm32-unknown-unknown --release -p <package>`";

pub(super) fn check(module: &ModuleValue, errors: &mut Errors) -> Option<Module> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let manifest = Path::new(&manifest);
    let place = match module {
        ModuleValue::File(path) => file(manifest, path, errors)?,
        ModuleValue::Crate(name) => dependency(manifest, name, errors)?,
    };
    let path = match &place {
        Place::File { path, .. } => Some(manifest.join(path.value())),
        Place::Built { path } => path.as_ref().map(PathBuf::from),
    };
    // The expansion reads the file, too, and reports if it can't.
    let bytes = path.and_then(|path| fs::read(path).ok());
    let init = bytes.and_then(|bytes| init_type::of(&gzip::unpacked(&bytes)?));
    Some(Module { place, init })
}

/// A dependency that has a module.
fn dependency(manifest: &Path, name: &Ident, errors: &mut Errors) -> Option<Place> {
    let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
    if lock::depends_on(manifest, &package, &name.to_string()) == Some(false) {
        errors.report(
            name,
            format!(
                "`{name}` is not a dependency of this crate, so cargo would not build it first; \
                 add it to [dependencies]: `{name} = {{ path = \"../{name}\" }}`"
            ),
        );
        return None;
    }
    let path = match Build::present().dependency(&name.to_string()) {
        Dependency::NotNeeded => None,
        Dependency::Module(path) => Some(path.to_string_lossy().into_owned()),
        Dependency::Missing => {
            errors.report(
                name,
                format!(
                    "cargo built no module of `{name}`; its Cargo.toml needs \
                     `crate-type = [\"cdylib\"]` in [lib], and no `name` there"
                ),
            );
            return None;
        }
    };
    Some(Place::Built { path })
}

/// A file that holds a module and is not older than the module's sources.
fn file(manifest: &Path, path: &LitStr, errors: &mut Errors) -> Option<Place> {
    if let Some(error) = content_error(manifest, &path.value()) {
        errors.report(path, error);
        return None;
    }
    let module = manifest.join(path.value());
    let sources = sources::of(&module);
    if let Some(source) = sources::newer(&module, &sources) {
        errors.report(path, stale(&path.value(), source));
        return None;
    }
    let text = |source: PathBuf| source.to_str().map(str::to_owned);
    Some(Place::File {
        path: path.clone(),
        sources: sources.into_iter().filter_map(text).collect(),
    })
}

fn stale(path: &str, source: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    let source = source.strip_prefix(here).unwrap_or(source).display();
    format!(
        "`{path}` was built before `{source}` changed; build the module first: {BUILD}. {}",
        by_cargo(path)
    )
}

/// Advice to let cargo build the module.
fn by_cargo(path: &str) -> String {
    let file = Path::new(path).file_stem().unwrap_or_default();
    let name = file.to_string_lossy().replace('-', "_");
    let name = if syn::parse_str::<Ident>(&name).is_ok() {
        &*name
    } else {
        "worker"
    };
    format!(
        "`wasm = {name}`, with that crate among the [dependencies], leaves this to cargo, \
         whatever its target folder is"
    )
}

fn content_error(manifest: &Path, path: &str) -> Option<String> {
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
             build the module first: {BUILD}. If it is built, its Cargo.toml lacks \
             `crate-type = [\"cdylib\"]`, or cargo's target folder is another one. {}",
            by_cargo(path)
        )),
        Err(error) => Some(format!("`{path}` cannot be read: {}", error.kind())),
        Ok(0) => Some(format!(
            "the file `{path}` is empty; build the module again: {BUILD}"
        )),
        Ok(_) if head == MODULE || head.starts_with(&gzip::MAGIC) => None,
        Ok(_) if head == COMPONENT => Some(format!(
            "the file `{path}` is a Wasm component, which no canister can run; \
             a module is built by {BUILD}"
        )),
        Ok(_) => Some(format!(
            "the file `{path}` is neither Wasm nor gzipped Wasm; a module is built by {BUILD}"
        )),
    }
}
