//! Approved modules: kept in stable memory in pieces, known by their SHA-256, installed from root's chunk store.
//!
//! The chunk store is only a copy: what it holds is on record, and what is missing is uploaded before an install.

use crate::{
    api::{ApproveRequest, MAX_CHUNK, MAX_CHUNKS, ModuleError},
    journal::Hash,
    memory::{self, Memory, Record},
};
use ic_stable_structures::StableBTreeMap;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

/// A module.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Module {
    #[n(0)]
    pub(crate) size: u64,
    /// Hashes of its pieces, in order, 32 bytes each.
    #[cbor(n(1), with = "minicbor::bytes")]
    chunks: Vec<u8>,
    #[n(2)]
    pub(crate) embedded: bool,
}

impl Module {
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Hash> + '_ {
        self.chunks.chunks_exact(32).map(|hash| {
            let mut out = [0; 32];
            out.copy_from_slice(hash);
            out
        })
    }
}

pub(crate) struct Modules {
    modules: StableBTreeMap<Hash, Record<Module>, Memory>,
    pieces: StableBTreeMap<Hash, Vec<u8>, Memory>,
    /// Pieces that root's chunk store is known to hold.
    uploaded: StableBTreeMap<Hash, (), Memory>,
}

pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

impl Modules {
    pub(crate) fn open(modules: u8, pieces: u8, uploaded: u8) -> Self {
        Self {
            modules: StableBTreeMap::init(memory::open(modules)),
            pieces: StableBTreeMap::init(memory::open(pieces)),
            uploaded: StableBTreeMap::init(memory::open(uploaded)),
        }
    }

    pub(crate) fn get(&self, hash: Hash) -> Option<Module> {
        self.modules.get(&hash).map(|record| record.0)
    }

    pub(crate) fn pieces(&self) -> u32 {
        self.pieces.len() as u32
    }

    /// Keeps a piece. Answers its hash.
    pub(crate) fn stage(&mut self, chunk: Vec<u8>) -> Result<Hash, ModuleError> {
        if chunk.is_empty() || chunk.len() > MAX_CHUNK {
            return Err(ModuleError::ChunkSize {
                length: chunk.len() as u64,
                max: MAX_CHUNK as u64,
            });
        }
        let hash = sha256(&chunk);
        if !self.pieces.contains_key(&hash) {
            if self.pieces.len() >= MAX_CHUNKS as u64 {
                return Err(ModuleError::StoreFull {
                    max: MAX_CHUNKS as u32,
                });
            }
            self.pieces.insert(hash, chunk);
        }
        Ok(hash)
    }

    /// Makes a module of staged pieces, if they are what the caller says.
    pub(crate) fn assemble(&mut self, request: &ApproveRequest) -> Result<Hash, ModuleError> {
        let expected = to_hash(&request.hash)?;
        let mut whole = Sha256::new();
        let (mut size, mut chunks, mut is_wasm) = (0, Vec::new(), false);
        for (index, chunk) in request.chunks.iter().enumerate() {
            let hash = to_hash(chunk)?;
            let Some(piece) = self.pieces.get(&hash) else {
                return Err(ModuleError::MissingChunk {
                    hash: hash.to_vec(),
                });
            };
            is_wasm |= index == 0 && starts_like_wasm(&piece);
            size += piece.len() as u64;
            whole.update(&piece);
            chunks.extend_from_slice(&hash);
        }
        let actual: Hash = whole.finalize().into();
        if actual != expected {
            return Err(ModuleError::HashMismatch {
                expected: expected.to_vec(),
                actual: actual.to_vec(),
            });
        }
        if !is_wasm {
            return Err(ModuleError::NotWasm);
        }
        self.modules.insert(
            expected,
            Record(Module {
                size,
                chunks,
                embedded: false,
            }),
        );
        Ok(expected)
    }

    /// Keeps a module that was built into root.
    pub(crate) fn embed(&mut self, wasm: &[u8]) -> Result<Hash, ModuleError> {
        let hash = sha256(wasm);
        if self.get(hash).is_some() {
            return Ok(hash);
        }
        let mut chunks = Vec::new();
        for piece in wasm.chunks(MAX_CHUNK) {
            chunks.extend_from_slice(&self.stage(piece.to_vec())?);
        }
        self.modules.insert(
            hash,
            Record(Module {
                size: wasm.len() as u64,
                chunks,
                embedded: true,
            }),
        );
        Ok(hash)
    }

    /// Forgets modules that nobody needs any more, with the pieces that only they were made of.
    pub(crate) fn retain(&mut self, needed: impl Fn(Hash) -> bool) {
        let (keep, drop): (Vec<_>, Vec<_>) = self
            .modules
            .iter()
            .map(|entry| (*entry.key(), entry.value().0))
            .partition(|(hash, _)| needed(*hash));
        let kept: std::collections::BTreeSet<Hash> = keep
            .iter()
            .flat_map(|(_, module)| module.chunks())
            .collect();
        for (hash, module) in drop {
            self.modules.remove(&hash);
            for piece in module.chunks().filter(|piece| !kept.contains(piece)) {
                self.pieces.remove(&piece);
            }
        }
    }

    // The chunk store

    pub(crate) fn is_uploaded(&self, piece: Hash) -> bool {
        self.uploaded.contains_key(&piece)
    }

    pub(crate) fn set_uploaded(&mut self, piece: Hash) {
        self.uploaded.insert(piece, ());
    }

    /// A piece that the chunk store lacks.
    pub(crate) fn not_uploaded(&self, piece: Hash) -> Option<Vec<u8>> {
        if self.is_uploaded(piece) {
            return None;
        }
        self.pieces.get(&piece)
    }

    /// Whether the chunk store must be cleared before these pieces fit in.
    pub(crate) fn store_overflows(&self, pieces: &[Hash]) -> bool {
        let missing = pieces.iter().filter(|piece| !self.is_uploaded(**piece));
        self.uploaded.len() + missing.count() as u64 > MAX_CHUNKS as u64
    }

    pub(crate) fn forget_uploads(&mut self) {
        self.uploaded.clear_new();
    }
}

fn to_hash(bytes: &[u8]) -> Result<Hash, ModuleError> {
    bytes.try_into().map_err(|_| ModuleError::InvalidHash {
        length: bytes.len() as u64,
    })
}

/// Wasm's magic, or gzip's.
fn starts_like_wasm(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm") || bytes.starts_with(&[0x1f, 0x8b])
}
