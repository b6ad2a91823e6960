//! Compiled modules on disk: what was compiled once on this machine is not compiled again.
//!
//! The files lie in the user's cache directory. They may be deleted at any time; a replica that cannot read or write
//! there compiles.

use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use std::{env, fs, io, process};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

/// Files kept; those go first that were not used for longest.
const MAX_FILES: usize = 200;

/// Modules of fewer bytes are compiled faster than they are found, and would only push out larger ones.
const SMALL: usize = 16 * 1024;

/// The machine code of a module.
pub(crate) fn load(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
    let worth_it = wasm.len() >= SMALL;
    let Some(file) = worth_it
        .then(|| place(engine, wasm))
        .flatten()
        .filter(|file| file.parent().is_some_and(is_private))
    else {
        return Module::new(engine, wasm);
    };
    // SAFETY: the file was written by this program, on behalf of this user, in a directory that is theirs and that only they can write to;
    // wasmtime itself checks that it comes from the same version and the same options.
    if let Ok(module) = unsafe { Module::deserialize_file(engine, &file) } {
        // What is used last goes last.
        let used = fs::File::open(&file).and_then(|file| file.set_modified(SystemTime::now()));
        drop(used);
        return Ok(module);
    }
    let module = Module::new(engine, wasm)?;
    // A cache that can't be written costs time, nothing else.
    drop(module.serialize().map(|code| keep(&file, &code)));
    Ok(module)
}

/// Where the code of a module belongs.
fn place(engine: &Engine, wasm: &[u8]) -> Option<PathBuf> {
    let directory = match env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").filter(|dir| !dir.is_empty())?).join(".cache"),
    };
    let mut hasher = Fingerprint(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.update(wasm);
    let name: String = hasher
        .0
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(directory.join("canic-replica").join(name))
}

/// Makes the directory if it is missing, and looks whether it is this user's alone. Elsewhere nothing is cached: what
/// others can write must not be run as machine code.
#[cfg(unix)]
fn is_private(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let ours = |meta: &fs::Metadata| {
        let me = fs::metadata("/proc/self").map(|process| process.uid());
        meta.is_dir() && meta.mode() & 0o022 == 0 && me.is_ok_and(|me| me == meta.uid())
    };
    create_private(directory).is_ok()
        && fs::symlink_metadata(directory).is_ok_and(|meta| ours(&meta))
}

#[cfg(not(unix))]
fn is_private(_directory: &Path) -> bool {
    false
}

/// Writes the file whole or not at all: other processes may be reading.
fn keep(file: &Path, code: &[u8]) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    // Nobody else writes this draft: not another thread, nor a process of the same number elsewhere.
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = file.with_extension(format!("{}.{number}.draft", process::id()));
    let mut open = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&draft)?;
    open.write_all(code)?;
    fs::rename(&draft, file)?;
    tidy(directory)
}

/// Removes files if there are too many.
fn tidy(directory: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        files.push((
            entry
                .metadata()?
                .modified()
                .unwrap_or(SystemTime::UNIX_EPOCH),
            entry.path(),
        ));
    }
    files.sort();
    for (_, file) in &files[..files.len().saturating_sub(MAX_FILES)] {
        fs::remove_file(file)?;
    }
    Ok(())
}

#[cfg(unix)]
fn create_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Collects what is hashed into a digest that is the same in every process.
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
