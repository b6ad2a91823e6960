//! Stable memory: one memory manager for canic and the author.
//!
//! Ids 200..=254 belong to canic, the rest to the author. The first memory of canic, [`META`], begins with a magic
//! and a layout version. Opening refuses, with a message and before anything is written, what another program laid
//! out, and what a newer version of canic did. An older layout is opened, and [`migrate`]d.

use crate::{
    config::DEFAULT_STABLE_GIB,
    stable::record::{decode, encode},
};
use ic_stable_structures::{
    DefaultMemoryImpl, Memory as _,
    memory_manager::{MemoryId, MemoryManager, VirtualMemory},
};
use std::cell::{Cell, RefCell};

/// A virtual memory of this canister.
pub type Memory = VirtualMemory<DefaultMemoryImpl>;

/// Pages (64 KiB) of a bucket, the unit in which memories grow, where stable memory may grow to so many GiB: the manager has
/// 32,768 buckets, 2 GiB for each page. Larger ones would make every small member pay for empty space.
const fn bucket_pages(max_gib: u16) -> u16 {
    max_gib.div_ceil(2)
}

/// The lowest memory id that belongs to canic.
pub const FIRST_RESERVED: u8 = 200;

/// The memory that tells whose the layout is, and which.
pub(crate) const META: u8 = 254;

const MAGIC: &[u8; 5] = b"CANIC";

/// The layout that this version writes. 2: the journal finds operations by the canister that they hold. 3: the registry
/// counts the places below each parent. 4: members, operations and the pool lie on shelves, and all
/// indexes are on the heap.
const LAYOUT: u8 = 4;

/// Where `MemoryManager` keeps its facts: "MGR", a version, and from byte 40 on each memory's size in pages.
const MANAGER_MAGIC: &[u8; 4] = b"MGR\x01";
const MANAGER_SIZES: u64 = 40;

thread_local! {
    static MANAGER: RefCell<Option<MemoryManager<DefaultMemoryImpl>>> = const { RefCell::new(None) };
    static MAX_GIB: Cell<u16> = const { Cell::new(DEFAULT_STABLE_GIB) };
}

/// The author's memory number `id`, from 0 to 199.
///
/// # Panics
///
/// If `id` belongs to canic, or if stable memory was laid out by another program.
///
/// ```no_run
/// use canic_runtime::memory::{self, Memory};
/// use ic_stable_structures::StableBTreeMap;
///
/// let notes: StableBTreeMap<u64, String, Memory> = StableBTreeMap::init(memory::memory(0));
/// ```
#[must_use]
pub fn memory(id: u8) -> Memory {
    assert!(
        id < FIRST_RESERVED,
        "canic: memory {id} is reserved; ids 0 to {} are yours",
        FIRST_RESERVED - 1
    );
    open(id)
}

/// How many GiB stable memory may grow to. Comes before all else, and counts in a canister that has none yet.
pub(crate) fn may_grow_to(gib: u16) {
    MAX_GIB.set(gib);
}

/// Any memory, canic's own included.
pub(crate) fn open(id: u8) -> Memory {
    MANAGER.with_borrow_mut(|manager| {
        manager
            .get_or_insert_with(open_manager)
            .get(MemoryId::new(id))
    })
}

fn open_manager() -> MemoryManager<DefaultMemoryImpl> {
    if let Err(refusal) = check_layout(&DefaultMemoryImpl::default()) {
        panic!("canic: {refusal}");
    }
    // One that is there keeps the buckets that it has.
    let pages = bucket_pages(MAX_GIB.get());
    let manager = MemoryManager::init_with_bucket_size(DefaultMemoryImpl::default(), pages);
    stamp(&manager.get(MemoryId::new(META)));
    manager
}

/// Begins with empty memory: a test that runs many cases in one thread does so before each.
#[cfg(test)]
pub(crate) fn forget() {
    MANAGER.set(None);
}

/// Opens stable memory, or says why not.
pub(crate) fn check_layout(raw: &impl ic_stable_structures::Memory) -> Result<(), String> {
    if raw.size() == 0 {
        return Ok(());
    }
    let mut head = [0; 4];
    raw.read(0, &mut head);
    if &head != MANAGER_MAGIC {
        return Err(
            "stable memory was laid out by another program; nothing was changed. \
                    Install canic canisters into empty ones, or clear stable memory first"
                .to_string(),
        );
    }
    // A memory manager's layout. Either ours, or one that leaves canic's ids free.
    let size = |id: u8| {
        let mut pages = [0; 8];
        raw.read(MANAGER_SIZES + 8 * u64::from(id), &mut pages);
        u64::from_le_bytes(pages)
    };
    if size(META) == 0 {
        return match (FIRST_RESERVED..META).find(|id| size(*id) != 0) {
            Some(id) => Err(format!(
                "memory {id} of this canister's memory manager is used by another program, but ids \
                 {FIRST_RESERVED} to {META} belong to canic; nothing was changed"
            )),
            None => Ok(()),
        };
    }
    // Opening a manager that is there changes nothing.
    let meta = MemoryManager::init(Shared(raw)).get(MemoryId::new(META));
    let mut mark = [0; 6];
    meta.read(0, &mut mark);
    if &mark[..5] != MAGIC {
        return Err(format!(
            "memory {META} of this canister's memory manager is used by another program; nothing was changed"
        ));
    }
    match mark[5] {
        1..=LAYOUT => Ok(()),
        0 => Err(format!(
            "memory {META} of this canister's memory manager has no layout version; nothing was changed"
        )),
        newer => Err(format!(
            "stable memory has layout {newer}, this version of canic knows {LAYOUT}; nothing was changed. \
             Upgrade with the version that wrote it, or a newer one"
        )),
    }
}

/// Lets a memory manager look at a borrowed memory.
struct Shared<'a, M>(&'a M);

impl<M: ic_stable_structures::Memory> ic_stable_structures::Memory for Shared<'_, M> {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn grow(&self, pages: u64) -> i64 {
        self.0.grow(pages)
    }
    fn read(&self, offset: u64, dst: &mut [u8]) {
        self.0.read(offset, dst);
    }
    fn write(&self, offset: u64, src: &[u8]) {
        self.0.write(offset, src);
    }
}

/// Writes magic and layout version, once.
fn stamp(meta: &Memory) {
    if meta.size() == 0 {
        grow_to(meta, HEAD_END);
        meta.write(0, MAGIC);
        meta.write(MAGIC.len() as u64, &[LAYOUT]);
        meta.write(HEAD_LENGTH, &0u32.to_le_bytes());
    }
}

/// Brings memory of an older layout to the present one: `bring` gets the version that it finds. Whatever traps on the way
/// leaves everything as it was, the version included.
pub(crate) fn migrate(bring: impl FnOnce(u8)) {
    let meta = open(META);
    let mut version = [0];
    meta.read(MAGIC.len() as u64, &mut version);
    if version[0] < LAYOUT {
        bring(version[0]);
        meta.write(MAGIC.len() as u64, &[LAYOUT]);
    }
}

/// Behind magic and version: the length of the head record, and the record.
const HEAD_LENGTH: u64 = 8;
const HEAD_END: u64 = HEAD_LENGTH + 4;

const WASM_PAGE: u64 = 65_536;

fn grow_to(memory: &Memory, bytes: u64) {
    let pages = bytes.div_ceil(WASM_PAGE);
    let more = pages.saturating_sub(memory.size());
    assert!(
        more == 0 || memory.grow(more) >= 0,
        "canic: out of stable memory"
    );
}

/// The head record: the few facts that a canister keeps beside its tables.
pub(crate) fn read_head<T>() -> Option<T>
where
    T: for<'a> minicbor::Decode<'a, ()>,
{
    let meta = open(META);
    let mut length = [0; 4];
    meta.read(HEAD_LENGTH, &mut length);
    let length = u64::from(u32::from_le_bytes(length));
    if length == 0 {
        return None;
    }
    assert!(
        HEAD_END + length <= meta.size() * WASM_PAGE,
        "canic: corrupt head record in stable memory"
    );
    let mut bytes = vec![0; length as usize];
    meta.read(HEAD_END, &mut bytes);
    Some(decode(&bytes))
}

/// Writes the head record.
pub(crate) fn write_head(value: &impl minicbor::Encode<()>) {
    let bytes = encode(value);
    let meta = open(META);
    grow_to(&meta, HEAD_END + bytes.len() as u64);
    meta.write(HEAD_LENGTH, &(bytes.len() as u32).to_le_bytes());
    meta.write(HEAD_END, &bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ic_stable_structures::VectorMemory;

    fn managed(memory: &VectorMemory) -> MemoryManager<VectorMemory> {
        MemoryManager::init_with_bucket_size(memory.clone(), bucket_pages(DEFAULT_STABLE_GIB))
    }

    fn meta(memory: &VectorMemory, bytes: &[u8]) {
        let meta = managed(memory).get(MemoryId::new(META));
        assert!(meta.grow(1) >= 0);
        meta.write(0, bytes);
    }

    #[test]
    fn empty_memory_and_our_own_are_welcome() {
        let memory = VectorMemory::default();
        assert_eq!(check_layout(&memory), Ok(()));
        meta(&memory, b"CANIC\x02");
        assert_eq!(check_layout(&memory), Ok(()));
    }

    #[test]
    fn an_older_layout_is_migrated_once() {
        let memory = VectorMemory::default();
        meta(&memory, b"CANIC\x01");
        assert_eq!(check_layout(&memory), Ok(()));
        forget();
        open(META).write(MAGIC.len() as u64, &[1]);
        let mut found = Vec::new();
        migrate(|version| found.push(version));
        migrate(|version| found.push(version));
        assert_eq!(found, [1]);
    }

    #[test]
    fn a_memory_manager_that_leaves_our_ids_free_is_welcome() {
        let memory = VectorMemory::default();
        assert!(managed(&memory).get(MemoryId::new(0)).grow(1) >= 0);
        assert_eq!(check_layout(&memory), Ok(()));
    }

    #[test]
    fn what_another_program_wrote_is_refused_and_left_as_it_is() {
        let raw = VectorMemory::default();
        assert!(raw.grow(1) >= 0);
        raw.write(0, b"something else");
        let ids = VectorMemory::default();
        assert!(managed(&ids).get(MemoryId::new(FIRST_RESERVED)).grow(1) >= 0);
        let meta_used = VectorMemory::default();
        meta(&meta_used, b"other program");
        for (memory, word) in [
            (raw, "another program"),
            (ids, "memory 200"),
            (meta_used, "memory 254"),
        ] {
            let before = memory.borrow().clone();
            let refusal = check_layout(&memory).unwrap_err();
            assert!(refusal.contains(word), "{refusal}");
            assert!(before == *memory.borrow());
        }
    }

    #[test]
    fn a_newer_layout_is_refused() {
        let memory = VectorMemory::default();
        meta(&memory, &[MAGIC.as_slice(), &[LAYOUT + 1]].concat());
        assert!(check_layout(&memory).unwrap_err().contains("layout 5"));
    }

    #[test]
    fn stable_memory_can_grow_to_what_was_asked_for_and_keeps_its_buckets() {
        for (gib, pages) in [(1, 1), (2, 1), (3, 2), (DEFAULT_STABLE_GIB, 2), (500, 250)] {
            forget();
            may_grow_to(gib);
            open(0).grow(1);
            let raw = VectorMemory::default();
            let manager = MemoryManager::init_with_bucket_size(raw.clone(), bucket_pages(gib));
            assert!(manager.get(MemoryId::new(0)).grow(1) >= 0);
            // One page for the manager's own facts.
            assert_eq!(raw.size(), 1 + pages, "{gib} GiB");
            assert!(32_768 * pages * WASM_PAGE >= u64::from(gib) << 30);
            // Another wish comes too late.
            let again = MemoryManager::init_with_bucket_size(raw.clone(), 7);
            assert!(again.get(MemoryId::new(1)).grow(1) >= 0);
            assert_eq!(raw.size(), 1 + 2 * pages);
        }
        may_grow_to(DEFAULT_STABLE_GIB);
        forget();
    }

    #[test]
    fn the_head_record_can_grow_and_shrink() {
        assert_eq!(read_head::<String>(), None);
        for length in [1, 100_000, 10] {
            let text = "x".repeat(length);
            write_head(&text);
            assert_eq!(read_head::<String>(), Some(text));
        }
    }
}
