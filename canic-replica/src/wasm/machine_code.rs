//! The cache of machine code on disk: a module is compiled once per machine.
//!
//! The files are in the user's cache directory, and may be deleted at any time. A replica that
//! cannot read or write there compiles the module.

use std::{
    env, fs,
    hash::{Hash, Hasher},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

/// The length of the digest at the start of a file, in bytes.
const DIGEST: usize = 32;

/// Smaller modules, in bytes, have a directory of their own: tests have hundreds of them, which
/// would evict the few large ones.
const SMALL: usize = 16 * 1024;

/// A directory of cached files. The least recently used files are evicted first.
struct CacheDirectory {
    directory: PathBuf,
    max_files: usize,
    /// The limit of the size of all files.
    max_bytes: u64,
}

impl CacheDirectory {
    /// The directory for modules of this size, if only this user can write to it.
    fn of(cache: &Path, size: usize) -> Option<Self> {
        let (directory, max_files, max_bytes) = match size {
            ..SMALL => (cache.join("small"), 1_000, 64 << 20),
            _ => (cache.to_owned(), 200, 1 << 30),
        };
        (is_private(cache) && is_private(&directory)).then_some(Self {
            directory,
            max_files,
            max_bytes,
        })
    }

    /// Writes the file atomically, as other processes may read it.
    fn store(&self, file: &Path, code: &[u8]) -> io::Result<()> {
        // No other thread writes this draft, nor a process with the same id on another machine.
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
        // An eviction in a full directory takes longer than the compilation of a small module: one
        // file in sixteen triggers it.
        match file.as_os_str().as_encoded_bytes().last() {
            Some(b'0') => self.evict(),
            _ => Ok(()),
        }
    }

    /// Evicts the least recently used files beyond the limits.
    fn evict(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            // Another process may evict files at the same time.
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
            if kept >= self.max_files || bytes > self.max_bytes {
                match fs::remove_file(file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// The machine code of a module.
pub(crate) fn load(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
    match directory() {
        Some(cache) => load_from(&cache, engine, wasm),
        None => Module::new(engine, wasm),
    }
}

/// The machine code of a module, by way of this directory.
fn load_from(cache: &Path, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
    let Some(directory) = CacheDirectory::of(cache, wasm.len()) else {
        return Module::new(engine, wasm);
    };
    let file = directory.directory.join(file_name(engine, wasm));
    if let Some(module) = read_cached(engine, &file) {
        return Ok(module);
    }
    let module = Module::new(engine, wasm)?;
    // A cache that can't be written costs time, nothing else.
    drop(module.serialize().map(|code| directory.store(&file, &code)));
    Ok(module)
}

/// The module in a file, if the file exists and is intact.
fn read_cached(engine: &Engine, file: &Path) -> Option<Module> {
    let content = fs::read(file).ok()?;
    let (digest, code) = content.split_at_checked(DIGEST)?;
    if Sha256::digest(code)[..] != *digest {
        return None;
    }
    // SAFETY: this program wrote the code, as this user, to a directory that no other user can
    // write to, and the digest shows that the code is unchanged. wasmtime itself checks that the
    // code is of the same version and options.
    let module = unsafe { Module::deserialize(engine, code) }.ok()?;
    // The time of modification is the time of the last use.
    drop(fs::File::open(file).and_then(|file| file.set_modified(SystemTime::now())));
    Some(module)
}

/// The cache directory.
fn directory() -> Option<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").filter(|dir| !dir.is_empty())?).join(".cache"),
    };
    Some(cache.join("canic-replica"))
}

/// The name of a module's file.
fn file_name(engine: &Engine, wasm: &[u8]) -> String {
    let mut hasher = Fingerprint(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.update(wasm);
    hex::encode(hasher.0.finalize())
}

/// Creates the directory if it is missing, and checks that only this user can write to it. Files of
/// other users must not be run as machine code.
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

#[cfg(unix)]
fn create_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// A hasher with the same digest in every process.
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

    /// A fresh directory that is deleted after the test.
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

    /// A module with one function of this name, as large as asked for.
    fn exporting(function: &str, bytes: usize) -> Vec<u8> {
        let filler = "x".repeat(bytes);
        let text = format!(
            r#"(module (memory 1) (data (i32.const 0) "{filler}") (func (export "{function}")))"#
        );
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn cached_modules_of_every_size_are_found() {
        let scratch = Scratch::new("sizes");
        let engine = Engine::default();
        for bytes in [0, SMALL] {
            let [wasm, other] = ["f", "g"].map(|function| exporting(function, bytes));
            assert_eq!(wasm.len() < SMALL, bytes == 0);
            for wasm in [&wasm, &other] {
                load_from(&scratch.0, &engine, wasm).unwrap();
            }
            // Compilation gives `f`; the cache gives the function in the file.
            let directory = CacheDirectory::of(&scratch.0, wasm.len()).unwrap();
            let [file, another] =
                [&wasm, &other].map(|wasm| directory.directory.join(file_name(&engine, wasm)));
            fs::copy(another, file).unwrap();
            let found = load_from(&scratch.0, &engine, &wasm).unwrap();
            assert!(found.get_export("g").is_some(), "{bytes}");
        }
    }

    #[test]
    fn damaged_files_are_compiled_again() {
        let scratch = Scratch::new("damage");
        let engine = Engine::default();
        let wasm =
            wat::parse_str(r#"(module (func (export "f") (result i32) i32.const 7))"#).unwrap();
        load_from(&scratch.0, &engine, &wasm).unwrap();
        let file = scratch.0.join("small").join(file_name(&engine, &wasm));
        let whole = fs::read(&file).unwrap();
        assert!(read_cached(&engine, &file).is_some());

        let last = whole.len() - 1;
        let mut damaged = vec![Vec::new(), whole[..DIGEST].to_vec(), whole[..last].to_vec()];
        for position in [0, DIGEST, whole.len() / 2, last] {
            let mut bytes = whole.clone();
            bytes[position] ^= 1;
            damaged.push(bytes);
        }
        for bytes in damaged {
            fs::write(&file, &bytes).unwrap();
            assert!(read_cached(&engine, &file).is_none());
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
        let directory = |max_files, max_bytes| CacheDirectory {
            directory: scratch.0.clone(),
            max_files,
            max_bytes,
        };
        directory(4, 100).evict().unwrap();
        assert_eq!(scratch.files().len(), 4);
        directory(4, 25).evict().unwrap();
        assert_eq!(scratch.files(), left(["0", "1"]));
        // Storing files evicts others, though not each time.
        for i in 0..=0x20 {
            let file = scratch.0.join(format!("{i:02x}"));
            directory(4, 1_000).store(&file, b"code").unwrap();
        }
        assert_eq!(scratch.files().len(), 4);
    }
}
