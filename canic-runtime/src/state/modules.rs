//! Modules: Wasm code by its SHA-256, in stable memory as chunks.
//!
//! The platform installs members from root's chunk store, which is a copy of these chunks. A record
//! says which chunks it holds. Root uploads missing ones before an install.

use std::collections::{BTreeMap, BTreeSet};

use ic_stable_structures::StableBTreeMap;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::{
    api::{ApproveRequest, MAX_CHUNK, MAX_CHUNKS, ModuleError},
    operation::{Hash, sha256},
    stable::{
        memory::{self, Memory},
        record::Record,
    },
    state::metadata::Metadata,
};

/// A module.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Module {
    /// Bytes of the code.
    #[n(0)]
    pub(crate) size: u64,
    /// The hashes of the module's chunks, in order, 32 bytes each.
    #[cbor(n(1), with = "minicbor::bytes")]
    chunks: Vec<u8>,
    /// Whether root's own code contained the module when root kept it.
    #[n(2)]
    pub(crate) embedded: bool,
    /// What it tells of itself. None: a version of root kept it that did not look.
    #[n(3)]
    pub(crate) metadata: Option<Metadata>,
}

impl Module {
    /// The hashes of the module's chunks, in order.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Hash> + '_ {
        self.chunks.chunks_exact(32).map(|hash| {
            let mut out = [0; 32];
            out.copy_from_slice(hash);
            out
        })
    }
}

/// All modules and chunks. Modules and uploads are cached on the heap: they are few, and each
/// provision reads them.
pub(crate) struct Modules {
    modules: BTreeMap<Hash, Module>,
    chunks: StableBTreeMap<Hash, Vec<u8>, Memory>,
    /// Chunks that root's chunk store certainly holds.
    uploaded: BTreeSet<Hash>,
    /// How often root found that the store had lost chunks.
    losses: u64,
    module_table: StableBTreeMap<Hash, Record<Module>, Memory>,
    upload_table: StableBTreeMap<Hash, (), Memory>,
}

impl Modules {
    /// Reads the modules from stable memory.
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
            losses: 0,
            module_table,
            upload_table,
        }
    }

    pub(crate) fn get(&self, hash: Hash) -> Option<&Module> {
        self.modules.get(&hash)
    }

    /// Keeps a module whose chunks are all here, with what it tells of itself.
    fn insert(&mut self, hash: Hash, size: u64, chunks: Vec<u8>, embedded: bool) {
        let mut module = Module {
            size,
            chunks,
            embedded,
            metadata: None,
        };
        let chunks = module.chunks().filter_map(|chunk| self.chunks.get(&chunk));
        module.metadata = Some(Metadata::of(chunks));
        self.module_table.insert(hash, Record(module.clone()));
        self.modules.insert(hash, module);
    }

    /// The number of chunks in stable memory.
    pub(crate) fn chunk_count(&self) -> u32 {
        self.chunks.len() as u32
    }

    /// Keeps a chunk, and answers its hash.
    ///
    /// # Errors
    ///
    /// If the chunk is empty or too large, or if [`MAX_CHUNKS`] chunks of approved modules are
    /// kept.
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
                self.drop_unapproved_chunks();
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

    /// Drops the chunks that are part of no module.
    fn drop_unapproved_chunks(&mut self) {
        let used: BTreeSet<Hash> = self.modules.values().flat_map(Module::chunks).collect();
        let unapproved: Vec<Hash> = self
            .chunks
            .keys()
            .filter(|chunk| !used.contains(chunk))
            .collect();
        for chunk in unapproved {
            self.chunks.remove(&chunk);
        }
    }

    /// Makes a module of staged chunks.
    ///
    /// # Errors
    ///
    /// If a chunk is missing, or if the chunks are no Wasm module with the hash of the request.
    pub(crate) fn assemble(&mut self, request: &ApproveRequest) -> Result<Hash, ModuleError> {
        let expected = to_hash(&request.hash)?;
        let mut whole = Sha256::new();
        let (mut size, mut chunks, mut is_wasm) = (0, Vec::new(), false);
        for (index, chunk) in request.chunks.iter().enumerate() {
            let hash = to_hash(chunk)?;
            let Some(chunk) = self.chunks.get(&hash) else {
                return Err(ModuleError::MissingChunk {
                    hash: hash.to_vec(),
                });
            };
            is_wasm |= index == 0 && starts_like_wasm(&chunk);
            size += chunk.len() as u64;
            whole.update(&chunk);
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
        self.insert(expected, size, chunks, false);
        Ok(expected)
    }

    /// Keeps a module that root's own code contains, beyond [`MAX_CHUNKS`] if need be.
    pub(crate) fn embed(&mut self, wasm: &[u8]) -> Hash {
        let hash = sha256(wasm);
        if self.get(hash).is_some() {
            return hash;
        }
        let mut chunks = Vec::new();
        for chunk in wasm.chunks(MAX_CHUNK) {
            let hash = sha256(chunk);
            self.chunks.insert(hash, chunk.to_vec());
            chunks.extend_from_slice(&hash);
        }
        self.insert(hash, wasm.len() as u64, chunks, true);
        hash
    }

    /// Forgets the modules that are not `needed`, and the chunks that no other module has.
    pub(crate) fn retain(&mut self, needed: impl Fn(Hash) -> bool) {
        let (keep, drop): (BTreeMap<Hash, Module>, BTreeMap<Hash, Module>) =
            std::mem::take(&mut self.modules)
                .into_iter()
                .partition(|(hash, _)| needed(*hash));
        self.modules = keep;
        let kept: BTreeSet<Hash> = self.modules.values().flat_map(Module::chunks).collect();
        for (hash, module) in drop {
            self.module_table.remove(&hash);
            for chunk in module.chunks().filter(|chunk| !kept.contains(chunk)) {
                self.chunks.remove(&chunk);
            }
        }
    }

    // The chunk store

    /// Whether the chunk store certainly holds a chunk.
    pub(crate) fn is_uploaded(&self, chunk: Hash) -> bool {
        self.uploaded.contains(&chunk)
    }

    /// Records that the chunk store holds a chunk.
    pub(crate) fn set_uploaded(&mut self, chunk: Hash) {
        self.uploaded.insert(chunk);
        self.upload_table.insert(chunk, ());
    }

    /// The bytes of a chunk that the chunk store lacks. `None`: the store has it, or root does not.
    pub(crate) fn chunk_to_upload(&self, chunk: Hash) -> Option<Vec<u8>> {
        if self.is_uploaded(chunk) {
            return None;
        }
        self.chunks.get(&chunk)
    }

    /// Whether the chunk store must be cleared before these chunks fit in.
    pub(crate) fn store_overflows(&self, chunks: &[Hash]) -> bool {
        let missing = chunks.iter().filter(|chunk| !self.is_uploaded(**chunk));
        self.uploaded.len() + missing.count() > MAX_CHUNKS
    }

    /// How often root found, since its install or upgrade, that the store had lost chunks.
    pub(crate) fn losses(&self) -> u64 {
        self.losses
    }

    /// Records that the chunk store holds no other chunks than these.
    pub(crate) fn keep_uploads(&mut self, stored: &BTreeSet<Hash>) {
        let lost: Vec<Hash> = self.uploaded.difference(stored).copied().collect();
        self.losses += u64::from(!lost.is_empty());
        for chunk in &lost {
            self.uploaded.remove(chunk);
            self.upload_table.remove(chunk);
        }
    }

    /// Records that the chunk store is empty.
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

/// Whether bytes begin with the magic number of Wasm or of gzip.
fn starts_like_wasm(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm") || bytes.starts_with(&[0x1f, 0x8b])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stable::record::{decode, encode};

    #[test]
    fn a_full_store_drops_unapproved_chunks_and_keeps_approved_ones() {
        let mut modules = Modules::open(0, 1, 2);
        let embedded = modules.embed(b"\0asm embedded");
        for n in 0..MAX_CHUNKS as u32 - 1 {
            modules.stage(n.to_le_bytes().to_vec()).unwrap();
        }
        assert_eq!(modules.chunk_count(), MAX_CHUNKS as u32);
        let hash = modules.stage(b"one more".to_vec()).unwrap();
        assert_eq!(modules.chunk_count(), 2);
        let kept: Vec<Hash> = modules.get(embedded).unwrap().chunks().collect();
        assert!(
            modules.chunk_to_upload(kept[0]).is_some() && modules.chunk_to_upload(hash).is_some()
        );
    }

    #[test]
    fn a_store_full_of_approved_chunks_refuses_all_but_embedded_modules() {
        let mut modules = Modules::open(0, 1, 2);
        for n in 0..MAX_CHUNKS as u32 {
            modules.embed(&n.to_le_bytes());
        }
        let refused = modules.stage(b"one more".to_vec());
        assert!(matches!(refused, Err(ModuleError::StoreFull { .. })));
        let built_in = modules.embed(b"\0asm");
        assert!(modules.get(built_in).is_some());
        modules.retain(|hash| hash == built_in);
        assert_eq!(modules.chunk_count(), 1);
    }

    #[test]
    fn a_module_that_an_older_version_kept_is_read_without_metadata() {
        #[derive(Encode)]
        struct Older {
            #[n(0)]
            size: u64,
            #[cbor(n(1), with = "minicbor::bytes")]
            chunks: Vec<u8>,
            #[n(2)]
            embedded: bool,
        }
        let older = Older {
            size: 5,
            chunks: vec![7; 32],
            embedded: true,
        };
        let read: Module = decode(&encode(&older));
        assert_eq!((read.size, read.embedded, read.metadata), (5, true, None));
    }

    #[test]
    fn chunks_that_somebody_else_cleared_are_uploaded_again() {
        let mut modules = Modules::open(0, 1, 2);
        let hash = modules.embed(b"\0asm");
        let chunk: Vec<Hash> = modules.get(hash).unwrap().chunks().collect();
        modules.set_uploaded(chunk[0]);
        modules.keep_uploads(&BTreeSet::from([chunk[0]]));
        assert_eq!(modules.losses(), 0);
        assert!(modules.is_uploaded(chunk[0]));
        modules.keep_uploads(&BTreeSet::new());
        assert_eq!(modules.losses(), 1);
        modules.set_uploaded(chunk[0]);
        modules.keep_uploads(&BTreeSet::from([[9; 32]]));
        assert_eq!(modules.losses(), 2);
        assert!(modules.chunk_to_upload(chunk[0]).is_some());
        assert!(Modules::open(0, 1, 2).chunk_to_upload(chunk[0]).is_some());
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
