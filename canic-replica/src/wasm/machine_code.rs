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

/// Bytes that they may have in all.
const MAX_BYTES: u64 = 1 << 30;

/// Bytes of the digest that a file begins with.
const DIGEST: usize = 32;

/// Modules of fewer bytes are compiled faster than they are found, and would only push out larger ones.
const SMALL: usize = 16 * 1024;

/// The machine code of a module.
pub(crate) fn load(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
    match directory() {
        Some(directory) if wasm.len() >= SMALL && is_private(&directory) => {
            load_from(&directory, engine, wasm)
        }
        _ => Module::new(engine, wasm),
    }
}

/// The same, by way of a directory that is this user's alone.
fn load_from(directory: &Path, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
    let file = directory.join(name(engine, wasm));
    if let Some(module) = find(engine, &file) {
        return Ok(module);
    }
    let module = Module::new(engine, wasm)?;
    // A cache that can't be written costs time, nothing else.
    drop(module.serialize().map(|code| keep(&file, &code)));
    Ok(module)
}

/// What the file holds, if it is there and whole.
fn find(engine: &Engine, file: &Path) -> Option<Module> {
    let content = fs::read(file).ok()?;
    let (digest, code) = content.split_at_checked(DIGEST)?;
    if Sha256::digest(code)[..] != *digest {
        return None;
    }
    // SAFETY: the code was written by this program, on behalf of this user, in a directory that is theirs and that only
    // they can write to, and is as it was written; wasmtime itself checks that it comes from the same version and the
    // same options.
    let module = unsafe { Module::deserialize(engine, code) }.ok()?;
    // What is used last goes last.
    drop(fs::File::open(file).and_then(|file| file.set_modified(SystemTime::now())));
    Some(module)
}

/// Where machine code is kept.
fn directory() -> Option<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").filter(|dir| !dir.is_empty())?).join(".cache"),
    };
    Some(cache.join("canic-replica"))
}

/// The name of a module's file.
fn name(engine: &Engine, wasm: &[u8]) -> String {
    let mut hasher = Fingerprint(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.update(wasm);
    hex::encode(hasher.0.finalize())
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
    open.write_all(&Sha256::digest(code))?;
    open.write_all(code)?;
    fs::rename(&draft, file)?;
    tidy(directory, MAX_FILES, MAX_BYTES)
}

/// Removes what was not used for longest, if there are too many files or too many bytes.
fn tidy(directory: &Path, max_files: usize, max_bytes: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // Another process may be tidying too.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_file() {
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push((used, metadata.len(), entry.path()));
        }
    }
    files.sort();
    let mut bytes = 0;
    for (kept, (_, length, file)) in files.iter().rev().enumerate() {
        bytes += length;
        if kept >= max_files || bytes > max_bytes {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A fresh directory that goes with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("canic-replica {name} {}", process::id()));
            drop(fs::remove_dir_all(&path));
            assert!(is_private(&path));
            Self(path)
        }

        fn files(&self) -> Vec<PathBuf> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            files.sort();
            files
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn what_is_damaged_is_compiled_again() {
        let scratch = Scratch::new("damage");
        let engine = Engine::default();
        let wasm =
            wat::parse_str(r#"(module (func (export "f") (result i32) i32.const 7))"#).unwrap();
        load_from(&scratch.0, &engine, &wasm).unwrap();
        let file = scratch.0.join(name(&engine, &wasm));
        assert_eq!(scratch.files(), std::slice::from_ref(&file));
        let whole = fs::read(&file).unwrap();
        assert!(find(&engine, &file).is_some());

        let last = whole.len() - 1;
        let mut damaged = vec![Vec::new(), whole[..DIGEST].to_vec(), whole[..last].to_vec()];
        for position in [0, DIGEST, whole.len() / 2, last] {
            let mut bytes = whole.clone();
            bytes[position] ^= 1;
            damaged.push(bytes);
        }
        for bytes in damaged {
            fs::write(&file, &bytes).unwrap();
            assert!(find(&engine, &file).is_none());
            let module = load_from(&scratch.0, &engine, &wasm).unwrap();
            assert!(module.get_export("f").is_some());
            assert_eq!(fs::read(&file).unwrap(), whole);
        }
    }

    #[test]
    fn files_are_bounded_by_number_and_by_bytes() {
        let scratch = Scratch::new("bounds");
        for i in 0..6 {
            let path = scratch.0.join(i.to_string());
            fs::write(&path, [0; 10]).unwrap();
            let used = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(10 - i);
            fs::File::open(&path).unwrap().set_modified(used).unwrap();
        }
        let left = |names: [&str; 2]| names.map(|name| scratch.0.join(name)).to_vec();
        tidy(&scratch.0, 4, 100).unwrap();
        assert_eq!(scratch.files().len(), 4);
        tidy(&scratch.0, 4, 25).unwrap();
        assert_eq!(scratch.files(), left(["0", "1"]));
    }
}
