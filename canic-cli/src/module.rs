//! Modules in files: their bytes, hash, chunks, and their Candid interface.

use std::{fs, io::Read, path::Path};

use canic::api::MAX_CHUNK;
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

use crate::failure::Failure;

/// The largest module that the platform installs, unpacked: 100 MiB.
const MAX_UNPACKED: u64 = 100 * 1024 * 1024;

/// A module as it is uploaded.
#[derive(Debug)]
pub(crate) struct Module {
    /// The bytes of the file: Wasm or gzipped Wasm.
    pub(crate) bytes: Vec<u8>,
    /// Their SHA-256.
    pub(crate) hash: Vec<u8>,
    /// The Candid interface in its metadata.
    pub(crate) interface: Option<String>,
    /// The layout of stable memory that its code knows, if its metadata tells it.
    pub(crate) layout: Option<u32>,
}

impl Module {
    /// Reads a module.
    ///
    /// # Errors
    /// The file can't be read, or is neither Wasm nor gzipped Wasm.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let failed = |reason: String| Failure::setup(format!("{}: {reason}", file.display()));
        let bytes = fs::read(file).map_err(|e| {
            failed(e.to_string()).with_advice("Build it first, for instance with `canic build`.")
        })?;
        let plain = unpack(&bytes).map_err(failed)?;
        Ok(Self {
            hash: Sha256::digest(&bytes).to_vec(),
            interface: metadata(&plain, "candid:service").map_err(failed)?,
            layout: metadata(&plain, "canic:layout")
                .map_err(failed)?
                .and_then(|digits| digits.parse().ok()),
            bytes,
        })
    }

    /// Its chunks, as root stages them.
    pub(crate) fn chunks(&self, size: usize) -> Vec<Chunk> {
        let chunks = self.bytes.chunks(size.clamp(1, MAX_CHUNK));
        chunks
            .map(|bytes| Chunk {
                hash: Sha256::digest(bytes).to_vec(),
                bytes: bytes.to_vec(),
            })
            .collect()
    }
}

/// A chunk of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    /// Their SHA-256.
    pub(crate) hash: Vec<u8>,
}

/// The Wasm of a file that may be gzipped.
fn unpack(bytes: &[u8]) -> Result<Vec<u8>, String> {
    if bytes.starts_with(b"\0asm") {
        return Ok(bytes.to_vec());
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err("this is neither Wasm nor gzipped Wasm".to_string());
    }
    let mut plain = Vec::new();
    let mut reader = GzDecoder::new(bytes).take(MAX_UNPACKED + 1);
    let read = reader.read_to_end(&mut plain);
    read.map_err(|e| format!("it can't be unpacked: {e}"))?;
    if plain.len() as u64 > MAX_UNPACKED {
        return Err("it has more than 100 MiB, unpacked".to_string());
    }
    if plain.starts_with(b"\0asm") {
        Ok(plain)
    } else {
        Err("this is gzipped, but no Wasm".to_string())
    }
}

/// A text among the metadata of a module.
fn metadata(wasm: &[u8], name: &str) -> Result<Option<String>, String> {
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|e| format!("it is no valid Wasm: {e}"))?;
        if let Payload::CustomSection(section) = payload {
            let found = ["icp:public ", "icp:private "]
                .iter()
                .find_map(|prefix| section.name().strip_prefix(prefix));
            if found == Some(name) {
                return Ok(String::from_utf8(section.data().to_vec()).ok());
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn with_metadata() -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        let (name, text) = ("icp:public candid:service", "service : {}");
        module.push(0);
        module.push((1 + name.len() + text.len()) as u8);
        module.push(name.len() as u8);
        module.extend_from_slice(name.as_bytes());
        module.extend_from_slice(text.as_bytes());
        module
    }

    #[test]
    fn the_interface_is_read_from_plain_and_gzipped_modules() {
        let wasm = with_metadata();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&wasm).unwrap();
        let gzip = gzip.finish().unwrap();
        for file in [&wasm, &gzip] {
            let plain = unpack(file).unwrap();
            let interface = metadata(&plain, "candid:service");
            assert_eq!(interface, Ok(Some("service : {}".to_string())));
        }
        assert!(unpack(b"#!/bin/sh").is_err());
        assert!(unpack(&gzip[..gzip.len() - 9]).is_err());
        assert!(metadata(&wasm[..wasm.len() - 1], "candid:service").is_err());
    }

    #[test]
    fn chunks_make_the_module() {
        let module = Module {
            bytes: vec![7; 25],
            hash: Vec::new(),
            interface: None,
            layout: None,
        };
        let chunks = module.chunks(10);
        let sizes: Vec<_> = chunks.iter().map(|chunk| chunk.bytes.len()).collect();
        assert_eq!(sizes, [10, 10, 5]);
        assert_eq!(chunks[0], chunks[1]);
    }
}
