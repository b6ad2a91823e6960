//! The file of a state: a header that names the version, a checksum, and the state. A file is
//! written beside the old one and takes its place at once.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// The first bytes of the file.
const MAGIC: &[u8; 16] = b"canic-replica \0\n";
/// The version of the form of the state: a change of a type in the state counts it up.
pub(crate) const VERSION: u32 = 1;
/// Magic, version and checksum.
const HEADER: usize = MAGIC.len() + 4 + 32;

/// A folder with a state. It is locked for other processes until this value is dropped.
#[derive(Debug)]
pub(crate) struct StateFolder {
    folder: PathBuf,
    _lock: File,
}

impl StateFolder {
    /// Opens a folder, or creates it.
    ///
    /// # Errors
    /// It can't be written, another process uses it, or it holds other files: a sentence that says
    /// so.
    pub(crate) fn open(folder: &Path) -> Result<Self, String> {
        let about = |e: io::Error| format!("the state folder {}: {e}", folder.display());
        fs::create_dir_all(folder).map_err(about)?;
        for entry in fs::read_dir(folder).map_err(about)? {
            let name = entry.map_err(about)?.file_name();
            if !["lock", "state", "state.new"]
                .iter()
                .any(|known| name == *known)
            {
                return Err(format!(
                    "the state folder {} holds {}, which is no part of a state",
                    folder.display(),
                    name.display()
                ));
            }
        }
        let lock = File::create(folder.join("lock")).map_err(about)?;
        lock.try_lock().map_err(|e| match e {
            fs::TryLockError::WouldBlock => format!(
                "the state folder {} is used by another network",
                folder.display()
            ),
            fs::TryLockError::Error(e) => about(e),
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// Whether a state was written to a folder.
    pub(crate) fn has_state(folder: &Path) -> bool {
        folder.join("state").exists()
    }

    fn file(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The state; none if nothing was written yet.
    ///
    /// # Errors
    /// The file can't be read, is corrupt, or has another version: a sentence that says so.
    pub(crate) fn read(&self) -> Result<Option<Vec<u8>>, String> {
        let file = self.file();
        match fs::read(&file) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(format!("{}: {e}", file.display())),
            Ok(bytes) => {
                let state = unpack(&bytes).map_err(|why| format!("{} {why}", file.display()))?;
                Ok(Some(state.to_vec()))
            }
        }
    }

    /// Replaces the state.
    ///
    /// # Errors
    /// The file can't be written. The old state stays.
    pub(crate) fn write(&self, state: &[u8]) -> Result<(), String> {
        let (new, file) = (self.folder.join("state.new"), self.file());
        let write = || {
            let mut written = File::create(&new)?;
            written.write_all(&header(state))?;
            written.write_all(state)?;
            written.sync_all()?;
            fs::rename(&new, &file)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|e| format!("{}: {e}", file.display()))
    }
}

fn header(state: &[u8]) -> Vec<u8> {
    let digest: [u8; 32] = Sha256::digest(state).into();
    [&MAGIC[..], &VERSION.to_be_bytes(), &digest].concat()
}

/// The state in the bytes of a file.
fn unpack(bytes: &[u8]) -> Result<&[u8], String> {
    let version = bytes.strip_prefix(MAGIC).and_then(<[u8]>::first_chunk);
    let version = version.copied().map(u32::from_be_bytes);
    match version {
        None => return Err("is no state of a canic-replica".into()),
        Some(VERSION) => {}
        Some(other) => {
            return Err(format!(
                "has version {other}; this canic-replica reads version {VERSION}"
            ));
        }
    }
    let state = bytes.get(HEADER..).unwrap_or_default();
    match bytes.get(..HEADER) == Some(&header(state)[..]) {
        true => Ok(state),
        false => Err("is corrupt: its checksum is wrong".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_or_has_another_version_is_refused() {
        let state = b"anything";
        let file = [header(state), state.to_vec()].concat();
        assert_eq!(unpack(&file), Ok(&state[..]));
        for changed in 0..file.len() {
            let mut other = file.clone();
            other[changed] ^= 1;
            let error = unpack(&other).unwrap_err();
            let expected = match changed {
                0..16 => "no state",
                16..20 => "version",
                _ => "corrupt",
            };
            assert!(error.contains(expected), "{changed}: {error}");
            assert!(unpack(&file[..changed]).is_err());
        }
    }
}
