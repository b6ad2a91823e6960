//! The cache of programs in memory. Each program is compiled once per process. Programs that no
//! canister uses are bounded; the least recently used are evicted first.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock},
};

use sha2::{Digest, Sha256};

use crate::{
    execution::programs::Program,
    wasm::{Module, address_type::AddressType, rewrite},
};

/// The limit of unused programs.
const MAX_IDLE: usize = 500;

/// The limit of the size of all unused programs, in bytes of Wasm.
const MAX_IDLE_BYTES: usize = 256 << 20;

static CACHE: LazyLock<RwLock<Cache>> =
    LazyLock::new(|| RwLock::new(Cache::new(MAX_IDLE, MAX_IDLE_BYTES)));

/// The program of a module given as Wasm or as gzipped Wasm. It is compiled if the cache does not
/// hold it. The error is a sentence that says why the module is not valid.
pub(crate) fn load(bytes: &[u8]) -> Result<Arc<Program>, String> {
    let hash = hash_of(bytes);
    let slot = CACHE
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .slot(hash);
    slot.get_or_init(|| Program::compile(hash, bytes).map(Arc::new))
        .clone()
}

/// SHA-256 of a module's bytes.
pub(crate) fn hash_of(bytes: &[u8]) -> [u8; 32] {
    let cache = CACHE.read().unwrap_or_else(PoisonError::into_inner);
    let known = cache.hash_of(bytes);
    drop(cache);
    known.unwrap_or_else(|| Sha256::digest(bytes).into())
}

/// The address type of a module given as Wasm or as gzipped Wasm, which is not compiled for that.
/// Bytes that are no module count as 32-bit.
pub(crate) fn address_of(bytes: &[u8]) -> AddressType {
    // The memory is declared near the beginning: only gzipped bytes take long to look at.
    if bytes.starts_with(b"\0asm") {
        return rewrite::address_of(bytes);
    }
    let cache = CACHE.read().unwrap_or_else(PoisonError::into_inner);
    let known = cache.hash_of(bytes).and_then(|hash| cache.program(&hash));
    drop(cache);
    known.map_or_else(
        || rewrite::address_of(bytes),
        |program| program.module.address,
    )
}

/// The program of a module. The cache never evicts the program of a module that a canister holds.
pub(crate) fn program_of(module: &Module) -> Result<Arc<Program>, String> {
    let cache = CACHE.read().unwrap_or_else(PoisonError::into_inner);
    let program = cache.program(&module.hash);
    drop(cache);
    match program {
        Some(program) => Ok(program),
        None => load(&module.bytes),
    }
}

/// A program that is compiled, or is being compiled.
type Slot = Arc<OnceLock<Result<Arc<Program>, String>>>;

/// Programs by the hashes of their modules.
struct Cache {
    slots: HashMap<[u8; 32], Entry>,
    /// Counts the requests.
    clock: u64,
    max_idle: usize,
    /// Bytes of Wasm, decompressed; machine code takes a few times as much.
    max_idle_bytes: usize,
}

#[derive(Default)]
struct Entry {
    slot: Slot,
    last_used: u64,
}

impl Entry {
    /// Whether a canister holds the module, or a thread waits for it.
    fn is_used(&self) -> bool {
        let held = |program: &Arc<Program>| {
            Arc::strong_count(program) > 1 || Arc::strong_count(&program.module) > 1
        };
        Arc::strong_count(&self.slot) > 1
            || matches!(self.slot.get(), Some(Ok(program)) if held(program))
    }

    fn bytes(&self) -> usize {
        match self.slot.get() {
            Some(Ok(program)) => program.module.size,
            Some(Err(why)) => why.len(),
            None => 0,
        }
    }
}

impl Cache {
    fn new(max_idle: usize, max_idle_bytes: usize) -> Self {
        Self {
            slots: HashMap::new(),
            clock: 0,
            max_idle,
            max_idle_bytes,
        }
    }

    /// The slot of a module. The first thread that asks for it fills it.
    fn slot(&mut self, hash: [u8; 32]) -> Slot {
        if !self.slots.contains_key(&hash) {
            self.evict();
        }
        self.clock += 1;
        let entry = self.slots.entry(hash).or_default();
        entry.last_used = self.clock;
        Arc::clone(&entry.slot)
    }

    /// The program of the module with this hash, if it is compiled.
    fn program(&self, hash: &[u8; 32]) -> Option<Arc<Program>> {
        self.slots.get(hash)?.slot.get()?.as_ref().ok().cloned()
    }

    /// The hash of these bytes, if they are a cached module. A comparison is much faster than
    /// hashing.
    fn hash_of(&self, bytes: &[u8]) -> Option<[u8; 32]> {
        let loaded = |entry: &Entry| match entry.slot.get() {
            Some(Ok(program)) => *program.module.bytes == bytes,
            _ => false,
        };
        let mut slots = self.slots.iter();
        slots
            .find(|(_, entry)| loaded(entry))
            .map(|(hash, _)| *hash)
    }

    fn evict(&mut self) {
        let mut idle: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, entry)| !entry.is_used())
            .map(|(hash, entry)| (entry.last_used, entry.bytes(), *hash))
            .collect();
        idle.sort_unstable_by(|a, b| b.cmp(a));
        let mut total = 0;
        for (kept, (_, bytes, hash)) in idle.into_iter().enumerate() {
            total += bytes;
            if kept >= self.max_idle || total > self.max_idle_bytes {
                self.slots.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads small module number `i`. Answers whether it had to be compiled.
    fn load_small(cache: &mut Cache, i: u8) -> (Arc<Program>, bool) {
        let mut compiled = false;
        let slot = cache.slot([i; 32]);
        let module = slot.get_or_init(|| {
            compiled = true;
            Program::compile([i; 32], b"\0asm\x01\0\0\0").map(Arc::new)
        });
        (module.clone().unwrap(), compiled)
    }

    #[test]
    fn a_module_is_compiled_once() {
        let mut cache = Cache::new(2, 1000);
        let (first, compiled) = load_small(&mut cache, 1);
        assert!(compiled);
        let (second, compiled) = load_small(&mut cache, 1);
        assert!(!compiled);
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn a_module_that_was_loaded_is_known_by_its_bytes() {
        let mut cache = Cache::new(2, 1000);
        load_small(&mut cache, 7);
        assert_eq!(cache.hash_of(b"\0asm\x01\0\0\0"), Some([7; 32]));
        assert_eq!(cache.hash_of(b"\0asm\x01\0\0"), None);
        assert_eq!(cache.hash_of(b"\0asm\x01\0\0\x01"), None);
    }

    #[test]
    fn unused_modules_are_evicted_least_recently_used_first() {
        let mut cache = Cache::new(2, 1000);
        let (held, _) = load_small(&mut cache, 0);
        for i in [1, 2, 1, 3, 4] {
            load_small(&mut cache, i);
        }
        // When 4 is loaded, 1, 2 and 3 are unused, and 2 is the least recently used. 1 is evicted
        // next.
        assert_eq!(cache.slots.len(), 4);
        assert!(!cache.slots.contains_key(&[2; 32]));
        load_small(&mut cache, 5);
        assert!(!cache.slots.contains_key(&[1; 32]));
        assert!(!load_small(&mut cache, 0).1, "a module in use was dropped");
        drop(held);
    }

    #[test]
    fn unused_modules_are_bounded_by_bytes() {
        // Each is eight bytes long.
        let mut cache = Cache::new(100, 20);
        for i in 0..10 {
            load_small(&mut cache, i);
        }
        assert_eq!(cache.slots.len(), 3);
    }
}
