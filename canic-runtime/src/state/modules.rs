//! Approved modules: kept in stable memory in chunks, known by their SHA-256, installed from root's chunk store.
//!
//! The chunk store is only a copy: what it holds is on record, and what is missing is uploaded before an install.

use crate::{
    api::{ApproveRequest, MAX_CHUNK, MAX_CHUNKS, ModuleError},
    operation::Hash,
    operation::sha256,
    stable::{
        memory::{self, Memory},
        record::Record,
    },
};
use ic_stable_structures::StableBTreeMap;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A module.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Module {
    #[n(0)]
    pub(crate) size: u64,
    /// Hashes of its chunks, in order, 32 bytes each.
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

/// Modules and uploads are on the heap as well: there are few, and each provision asks for them.
pub(crate) struct Modules {
    modules: BTreeMap<Hash, Module>,
    chunks: StableBTreeMap<Hash, Vec<u8>, Memory>,
    /// Pieces that root's chunk store is known to hold.
    uploaded: BTreeSet<Hash>,
    module_table: StableBTreeMap<Hash, Record<Module>, Memory>,
    upload_table: StableBTreeMap<Hash, (), Memory>,
}

impl Modules {
    pub(crate) fn open(modules: u8, chunks: u8, uploaded: u8) -> Self {
        let module_table: StableBTreeMap<Hash, Record<Module>, Memory> =
            StableBTreeMap::init(memory::open(modules));
        let upload_table: StableBTreeMap<Hash, (), Memory> =
            StableBTreeMap::init(memory::open(uploaded));
        Self {
            modules: module_table
                .iter()
                .map(|row| (*row.key(), row.value().0))
                .collect(),
            chunks: StableBTreeMap::init(memory::open(chunks)),
            uploaded: upload_table.keys().collect(),
            module_table,
            upload_table,
        }
    }

    pub(crate) fn get(&self, hash: Hash) -> Option<&Module> {
        self.modules.get(&hash)
    }

    fn insert(&mut self, hash: Hash, module: Module) {
        self.module_table.insert(hash, Record(module.clone()));
        self.modules.insert(hash, module);
    }

    pub(crate) fn chunks(&self) -> u32 {
        self.chunks.len() as u32
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
        if !self.chunks.contains_key(&hash) {
            if self.chunks.len() >= MAX_CHUNKS as u64 {
                self.drop_loose_pieces();
            }
            if self.chunks.len() >= MAX_CHUNKS as u64 {
                return Err(ModuleError::StoreFull {
                    max: MAX_CHUNKS as u32,
                });
            }
            self.chunks.insert(hash, chunk);
        }
        Ok(hash)
    }

    /// Drops chunks that were staged and never approved as part of a module.
    fn drop_loose_pieces(&mut self) {
        let used: BTreeSet<Hash> = self.modules.values().flat_map(Module::chunks).collect();
        let loose: Vec<Hash> = (self.chunks.keys())
            .filter(|piece| !used.contains(piece))
            .collect();
        for piece in loose {
            self.chunks.remove(&piece);
        }
    }

    /// Makes a module of staged chunks, if they are what the caller says.
    pub(crate) fn assemble(&mut self, request: &ApproveRequest) -> Result<Hash, ModuleError> {
        let expected = to_hash(&request.hash)?;
        let mut whole = Sha256::new();
        let (mut size, mut chunks, mut is_wasm) = (0, Vec::new(), false);
        for (index, chunk) in request.chunks.iter().enumerate() {
            let hash = to_hash(chunk)?;
            let Some(piece) = self.chunks.get(&hash) else {
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
        let module = Module {
            size,
            chunks,
            embedded: false,
        };
        self.insert(expected, module);
        Ok(expected)
    }

    /// Keeps a module that was built into root, however much was staged.
    pub(crate) fn embed(&mut self, wasm: &[u8]) -> Hash {
        let hash = sha256(wasm);
        if self.get(hash).is_some() {
            return hash;
        }
        let mut chunks = Vec::new();
        for piece in wasm.chunks(MAX_CHUNK) {
            let hash = sha256(piece);
            self.chunks.insert(hash, piece.to_vec());
            chunks.extend_from_slice(&hash);
        }
        let module = Module {
            size: wasm.len() as u64,
            chunks,
            embedded: true,
        };
        self.insert(hash, module);
        hash
    }

    /// Forgets modules that nobody needs any more, with the chunks that only they were made of.
    pub(crate) fn retain(&mut self, needed: impl Fn(Hash) -> bool) {
        let (keep, drop): (BTreeMap<Hash, Module>, BTreeMap<Hash, Module>) =
            std::mem::take(&mut self.modules)
                .into_iter()
                .partition(|(hash, _)| needed(*hash));
        self.modules = keep;
        let kept: BTreeSet<Hash> = self.modules.values().flat_map(Module::chunks).collect();
        for (hash, module) in drop {
            self.module_table.remove(&hash);
            for piece in module.chunks().filter(|piece| !kept.contains(piece)) {
                self.chunks.remove(&piece);
            }
        }
    }

    // The chunk store

    pub(crate) fn is_uploaded(&self, piece: Hash) -> bool {
        self.uploaded.contains(&piece)
    }

    pub(crate) fn set_uploaded(&mut self, piece: Hash) {
        self.uploaded.insert(piece);
        self.upload_table.insert(piece, ());
    }

    /// A piece that the chunk store lacks.
    pub(crate) fn not_uploaded(&self, piece: Hash) -> Option<Vec<u8>> {
        if self.is_uploaded(piece) {
            return None;
        }
        self.chunks.get(&piece)
    }

    /// Whether the chunk store must be cleared before these chunks fit in.
    pub(crate) fn store_overflows(&self, chunks: &[Hash]) -> bool {
        let missing = chunks.iter().filter(|piece| !self.is_uploaded(**piece));
        self.uploaded.len() + missing.count() > MAX_CHUNKS
    }

    pub(crate) fn forget_uploads(&mut self) {
        self.uploaded.clear();
        self.upload_table.clear_new();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_that_nobody_approved_give_way_and_approved_ones_do_not() {
        let mut modules = Modules::open(0, 1, 2);
        let embedded = modules.embed(b"\0asm embedded");
        for n in 0..MAX_CHUNKS as u32 - 1 {
            modules.stage(n.to_le_bytes().to_vec()).unwrap();
        }
        assert_eq!(modules.chunks(), MAX_CHUNKS as u32);
        let hash = modules.stage(b"one more".to_vec()).unwrap();
        assert_eq!(modules.chunks(), 2);
        let kept: Vec<Hash> = modules.get(embedded).unwrap().chunks().collect();
        assert!(modules.not_uploaded(kept[0]).is_some() && modules.not_uploaded(hash).is_some());
    }

    #[test]
    fn a_full_house_of_approved_pieces_takes_no_more_but_what_is_built_in() {
        let mut modules = Modules::open(0, 1, 2);
        for n in 0..MAX_CHUNKS as u32 {
            modules.embed(&n.to_le_bytes());
        }
        let refused = modules.stage(b"one more".to_vec());
        assert!(matches!(refused, Err(ModuleError::StoreFull { .. })));
        let built_in = modules.embed(b"\0asm");
        assert!(modules.get(built_in).is_some());
        modules.retain(|hash| hash == built_in);
        assert_eq!(modules.chunks(), 1);
    }

    #[test]
    fn the_chunk_store_is_cleared_before_it_overflows() {
        let mut modules = Modules::open(0, 1, 2);
        for n in 0..MAX_CHUNKS as u8 {
            modules.set_uploaded([n; 32]);
        }
        assert!(!modules.store_overflows(&[[0; 32]]));
        assert!(modules.store_overflows(&[[0; 32], [200; 32]]));
        modules.forget_uploads();
        assert!(!modules.store_overflows(&[[0; 32], [200; 32]]));
    }
}
