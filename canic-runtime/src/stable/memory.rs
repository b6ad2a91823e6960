//! Stable memory: one memory manager, shared by canic and the author.
//!
//! ```text
//! id          memory
//! 0 to 199    the author's
//! 200 to 253  root's tables, numbered in `state/mod.rs`; a member has none
//! 254         META: magic, layout version, head record
//! ```
//!
//! The manager's own facts fill the first page of stable memory. Opening refuses a layout that
//! another program or a newer version of canic wrote. The refusal comes with a message and before
//! anything is written. `migrate` brings an older layout to the present one.
//!
//! ```text
//! META, byte 0         5         6      8         12            12 + n
//!            ┌─────────┬─────────┬──────┬─────────┬─────────────┐
//!            │ "CANIC" │ version │ zero │ n       │ head record │
//!            └─────────┴─────────┴──────┴─────────┴─────────────┘
//!              magic     u8               u32, LE   CBOR
//! ```
//!
//! `n` is 0 until a head record is written. The record is always written as a whole, and may grow
//! and shrink. It holds the few facts that need no table: root's last numbers and its ledger, or a
//! member's identity.

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
};

use ic_stable_structures::{
    DefaultMemoryImpl, Memory as _,
    memory_manager::{MemoryId, MemoryManager, VirtualMemory},
};

use crate::{
    config::DEFAULT_STABLE_GIB,
    stable::record::{decode, encode},
};

/// A virtual memory of this canister.
pub type Memory = VirtualMemory<DefaultMemoryImpl>;

type Manager = MemoryManager<DefaultMemoryImpl>;

/// The size of a bucket in pages of 64 KiB, if stable memory may grow to `max_gib`.
///
/// A memory grows by buckets, and the manager has 32,768 of them: 2 GiB for each page of a bucket.
/// Larger buckets would make every small member pay for empty space.
const fn bucket_pages(max_gib: u16) -> u16 {
    max_gib.div_ceil(2)
}

/// The lowest memory id that belongs to canic.
pub const FIRST_RESERVED: u8 = 200;

/// The memory with magic, layout version and head record.
pub(crate) const META: u8 = 254;

const MAGIC: &[u8; 5] = b"CANIC";

/// The version of the layout that this version of canic writes.
const LAYOUT: u8 = 1;

/// The same in digits, as each module tells it.
pub(crate) const LAYOUT_DIGITS: &str = "1";

/// The offset of the layout version in [`META`], behind the magic.
const VERSION: u64 = MAGIC.len() as u64;

/// The offset of the head record's length in [`META`].
const HEAD_LENGTH: u64 = 8;

/// The offset of the head record in [`META`].
const HEAD: u64 = HEAD_LENGTH + 4;

const WASM_PAGE: u64 = 65_536;

/// The head of a `MemoryManager`: its magic "MGR" and its version.
const MANAGER_MAGIC: &[u8; 4] = b"MGR\x01";

/// The offset of a `MemoryManager`'s table with the size of each memory: a `u64` of pages, LE.
const MANAGER_SIZES: u64 = 40;

thread_local! {
    static MANAGER: RefCell<Option<Manager>> = const { RefCell::new(None) };
    static MAX_GIB: Cell<u16> = const { Cell::new(DEFAULT_STABLE_GIB) };
}

/// The author's memory number `id`, from 0 to 199.
///
/// # Panics
///
/// If `id` belongs to canic, if stable memory was laid out by another program, or if code of this
/// canister has used it without canic since the code started: by `stable_save`, `stable_write`, or
/// a memory manager of its own. Two managers give the same pages to two memories.
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
    let memory = open(id);
    if let Err(misuse) = find_misuse() {
        panic!("canic: {}", misuse.advice());
    }
    memory
}

/// Sets how many GiB stable memory may grow to. Must be called before any memory is opened; has an
/// effect only in a canister whose stable memory is empty.
pub(crate) fn may_grow_to(gib: u16) {
    MAX_GIB.set(gib);
}

/// Opens any memory, canic's own included.
///
/// # Panics
///
/// If stable memory was laid out by another program, or by a newer version of canic.
pub(crate) fn open(id: u8) -> Memory {
    MANAGER.with_borrow_mut(|manager| {
        manager
            .get_or_insert_with(open_manager)
            .get(MemoryId::new(id))
    })
}

fn open_manager() -> Manager {
    if let Err(refusal) = check_layout(&DefaultMemoryImpl::default()) {
        panic!("canic: {refusal}");
    }
    // A manager that exists keeps the buckets that it has.
    let pages = bucket_pages(MAX_GIB.get());
    let manager = MemoryManager::init_with_bucket_size(DefaultMemoryImpl::default(), pages);
    stamp(&manager.get(MemoryId::new(META)));
    manager
}

/// Replaces stable memory by an empty one. A test with many cases in one thread does so before
/// each.
#[cfg(test)]
pub(crate) fn forget() {
    MANAGER.set(None);
}

/// Checks that stable memory is empty, canic's, or a memory manager's that leaves canic's ids free.
///
/// # Errors
///
/// With a message, if it is anything else, or if a newer version of canic wrote it.
fn check_layout(raw: &(impl ic_stable_structures::Memory + Clone)) -> Result<(), String> {
    if raw.size() == 0 {
        return Ok(());
    }
    let mut head = [0; 4];
    raw.read(0, &mut head);
    if &head != MANAGER_MAGIC {
        return Err(
            "stable memory was laid out by another program, or code of this canister wrote it by \
             itself (stable_save, stable_write); nothing was changed. canic starts on empty stable \
             memory; data belongs into canic::memory(0) to canic::memory(199)"
                .to_string(),
        );
    }
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
    // Opening a manager that exists changes nothing.
    let meta = MemoryManager::init(raw.clone()).get(MemoryId::new(META));
    let mut mark = [0; 6];
    meta.read(0, &mut mark);
    if &mark[..5] != MAGIC {
        return Err(format!(
            "memory {META} of this canister's memory manager is used by another program; \
             nothing was changed"
        ));
    }
    match mark[5] {
        1..=LAYOUT => Ok(()),
        0 => Err(format!(
            "memory {META} of this canister's memory manager has no layout version; \
             nothing was changed"
        )),
        newer => Err(format!(
            "stable memory has layout {newer}, this version of canic knows {LAYOUT}; \
             nothing was changed. Upgrade with the version that wrote it, or a newer one"
        )),
    }
}

/// What code of the author's did to stable memory without canic's memory manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// It wrote over the manager's head, or over the head of [`META`].
    Overwritten,
    /// Another manager overwrote this one's table, and so cut a memory that had grown.
    Cut,
    /// Another manager, which knows the present table, made a memory grow. An upgrade reads the
    /// right table and loses nothing.
    Grown,
}

impl Misuse {
    /// What happened, and what to do.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Overwritten => {
                "code of this canister overwrote stable memory (stable_save, stable_write); data \
                 belongs into canic::memory(0) to canic::memory(199). If the hook pre_upgrade did \
                 it, stop the canister and upgrade it with skip_pre_upgrade"
            }
            Self::Cut | Self::Grown => {
                "code of this canister has a MemoryManager beside canic's; data belongs into \
                 canic::memory(0) to canic::memory(199)"
            }
        }
    }
}

/// Looks for traces in stable memory of code that uses it without canic's memory manager.
pub(crate) fn find_misuse() -> Result<(), Misuse> {
    MANAGER.with_borrow(|manager| match manager {
        Some(manager) => compare(&DefaultMemoryImpl::default(), manager),
        None => Ok(()),
    })
}

/// Compares the head of stable memory with what the manager has on the heap. Two managers each have
/// a table there, and write it as a whole when a memory grows: a stale table takes back what the
/// other one has added.
fn compare<M: ic_stable_structures::Memory>(
    raw: &impl ic_stable_structures::Memory,
    manager: &MemoryManager<M>,
) -> Result<(), Misuse> {
    let (mut head, mut mark) = ([0; 4], [0; 5]);
    raw.read(0, &mut head);
    manager.get(MemoryId::new(META)).read(0, &mut mark);
    if &head != MANAGER_MAGIC || &mark != MAGIC {
        return Err(Misuse::Overwritten);
    }
    let mut sizes = [0; 8 * (META as usize + 1)];
    raw.read(MANAGER_SIZES, &mut sizes);
    let mut grown = Ok(());
    for (id, recorded) in (0..=META).zip(sizes.as_chunks().0) {
        let own = manager.get(MemoryId::new(id)).size();
        match u64::from_le_bytes(*recorded).cmp(&own) {
            Ordering::Less => return Err(Misuse::Cut),
            Ordering::Greater => grown = Err(Misuse::Grown),
            Ordering::Equal => {}
        }
    }
    grown
}

/// Writes magic and layout version into an empty [`META`].
fn stamp(meta: &Memory) {
    if meta.size() == 0 {
        grow_to(meta, HEAD);
        meta.write(0, MAGIC);
        meta.write(VERSION, &[LAYOUT]);
        meta.write(HEAD_LENGTH, &0u32.to_le_bytes());
    }
}

/// Brings an older layout to the present one. `convert` gets the version that it finds, and is not
/// called if that is the present one. A trap in it rolls everything back, the version included.
pub(crate) fn migrate(convert: impl FnOnce(u8)) {
    migrate_to(LAYOUT, convert);
}

fn migrate_to(present: u8, convert: impl FnOnce(u8)) {
    let meta = open(META);
    let mut version = [0];
    meta.read(VERSION, &mut version);
    let [version] = version;
    if version < present {
        convert(version);
        meta.write(VERSION, &[present]);
    }
}

fn grow_to(memory: &Memory, bytes: u64) {
    let pages = bytes.div_ceil(WASM_PAGE);
    let more = pages.saturating_sub(memory.size());
    assert!(
        more == 0 || memory.grow(more) >= 0,
        "canic: out of stable memory"
    );
}

/// Reads the head record, if one was written.
///
/// # Panics
///
/// If it is damaged. The trap keeps it as it is.
pub(crate) fn read_head<T>() -> Option<T>
where
    T: for<'a> minicbor::Decode<'a, ()>,
{
    head().map(|bytes| decode(&bytes))
}

/// The bytes of the head record, if one was written.
///
/// # Panics
///
/// If their length is damaged.
pub(crate) fn head() -> Option<Vec<u8>> {
    let meta = open(META);
    let mut length = [0; 4];
    meta.read(HEAD_LENGTH, &mut length);
    let length = u64::from(u32::from_le_bytes(length));
    if length == 0 {
        return None;
    }
    assert!(
        HEAD + length <= meta.size() * WASM_PAGE,
        "canic: corrupt head record in stable memory"
    );
    let mut bytes = vec![0; length as usize];
    meta.read(HEAD, &mut bytes);
    Some(bytes)
}

/// Writes the head record.
///
/// # Panics
///
/// If stable memory can't grow.
pub(crate) fn write_head(value: &impl minicbor::Encode<()>) {
    set_head(&encode(value));
}

/// Writes the bytes of the head record.
///
/// # Panics
///
/// If stable memory can't grow.
pub(crate) fn set_head(bytes: &[u8]) {
    let meta = open(META);
    grow_to(&meta, HEAD + bytes.len() as u64);
    meta.write(HEAD_LENGTH, &(bytes.len() as u32).to_le_bytes());
    meta.write(HEAD, bytes);
}

#[cfg(test)]
mod tests {
    use ic_stable_structures::VectorMemory;

    use super::*;

    fn managed(memory: &VectorMemory) -> MemoryManager<VectorMemory> {
        MemoryManager::init_with_bucket_size(memory.clone(), bucket_pages(DEFAULT_STABLE_GIB))
    }

    /// Writes the first bytes of [`META`].
    fn write_meta(memory: &VectorMemory, bytes: &[u8]) {
        let meta = managed(memory).get(MemoryId::new(META));
        assert!(meta.grow(1) >= 0);
        meta.write(0, bytes);
    }

    #[test]
    fn a_module_tells_the_layout_that_its_code_writes() {
        assert_eq!(LAYOUT_DIGITS.parse(), Ok(LAYOUT));
    }

    #[test]
    fn empty_memory_and_the_present_layout_are_accepted() {
        let memory = VectorMemory::default();
        assert_eq!(check_layout(&memory), Ok(()));
        write_meta(&memory, &[MAGIC.as_slice(), &[LAYOUT]].concat());
        assert_eq!(check_layout(&memory), Ok(()));
    }

    #[test]
    fn an_older_layout_is_converted_and_stamped_and_the_present_one_is_not() {
        let mut converted = Vec::new();
        forget();
        migrate(|version| converted.push(version));
        assert!(converted.is_empty());
        migrate_to(LAYOUT + 1, |version| converted.push(version));
        migrate_to(LAYOUT + 1, |version| converted.push(version));
        assert_eq!(converted, [LAYOUT]);
        let mut stamp = [0];
        open(META).read(VERSION, &mut stamp);
        assert_eq!(stamp, [LAYOUT + 1]);
        forget();
    }

    #[test]
    fn a_memory_manager_that_leaves_the_ids_of_canic_free_is_accepted() {
        let memory = VectorMemory::default();
        assert!(managed(&memory).get(MemoryId::new(0)).grow(1) >= 0);
        assert_eq!(check_layout(&memory), Ok(()));
    }

    #[test]
    fn the_memory_of_another_program_is_refused_and_left_as_it_is() {
        let raw = VectorMemory::default();
        assert!(raw.grow(1) >= 0);
        raw.write(0, b"something else");
        let ids = VectorMemory::default();
        assert!(managed(&ids).get(MemoryId::new(FIRST_RESERVED)).grow(1) >= 0);
        let meta_used = VectorMemory::default();
        write_meta(&meta_used, b"other program");
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
    fn writes_past_the_memory_manager_are_noticed() {
        let raw = VectorMemory::default();
        write_meta(&raw, &[MAGIC.as_slice(), &[LAYOUT]].concat());
        let own = managed(&raw);
        assert!(own.get(MemoryId::new(3)).grow(1) >= 0);
        assert_eq!(compare(&raw, &own), Ok(()));

        let other = managed(&raw);
        assert!(other.get(MemoryId::new(3)).grow(1) >= 0);
        assert_eq!(compare(&raw, &own), Err(Misuse::Grown));
        // Each of them takes back what it does not know of.
        assert!(own.get(MemoryId::new(7)).grow(1) >= 0);
        assert_eq!(compare(&raw, &own), Ok(()));
        assert!(other.get(MemoryId::new(9)).grow(1) >= 0);
        assert_eq!(compare(&raw, &own), Err(Misuse::Cut));

        raw.write(0, b"DIDL");
        assert_eq!(compare(&raw, &own), Err(Misuse::Overwritten));
    }

    #[test]
    fn a_newer_layout_is_refused() {
        let memory = VectorMemory::default();
        write_meta(&memory, &[MAGIC.as_slice(), &[LAYOUT + 1]].concat());
        assert!(check_layout(&memory).unwrap_err().contains("layout 2"));
    }

    #[test]
    fn stable_memory_can_grow_to_its_limit_and_keeps_its_buckets() {
        for (gib, pages) in [(1, 1), (2, 1), (3, 2), (DEFAULT_STABLE_GIB, 2), (500, 250)] {
            forget();
            may_grow_to(gib);
            open(0).grow(1);
            let raw = VectorMemory::default();
            let manager = MemoryManager::init_with_bucket_size(raw.clone(), bucket_pages(gib));
            assert!(manager.get(MemoryId::new(0)).grow(1) >= 0);
            // One page for the manager itself.
            assert_eq!(raw.size(), 1 + pages, "{gib} GiB");
            assert!(32_768 * pages * WASM_PAGE >= u64::from(gib) << 30);
            // A manager that exists ignores another size.
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
