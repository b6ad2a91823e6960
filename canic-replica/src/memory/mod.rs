//! Memory as plain data: pages that copies share until one of them writes.
//!
//! Between messages, a canister's heap and stable memory are images of this kind. A rollback drops
//! an image, and a fork clones one; both cost next to nothing, however large the memory is.

pub(crate) mod images;

use std::{ops::Range, ptr, sync::Arc};

use crate::memory::images::{Image, Images};

/// Bytes of one page of an image: the platform's own unit of change.
pub(crate) const PAGE: usize = 4096;
/// Bytes of one WebAssembly page.
pub(crate) const WASM_PAGE: u64 = 65_536;
/// The platform's limit for one canister's stable memory, in WebAssembly pages (500 GiB).
const MAX_STABLE_PAGES: u64 = 500 * 16_384;

/// The longest copy of a stable memory as one piece, in bytes (8 GiB).
const MAX_COPY: u64 = 8 << 30;

/// Pages per chunk. Two levels keep both short: the clone of a large memory, which takes a reference
/// per chunk, and the copy of a chunk for one page that is written.
const CHUNK_PAGES: usize = 64;

pub(crate) type Page = [u8; PAGE];
static ZERO: Page = [0; PAGE];

type Chunk = Vec<Option<Arc<Page>>>;

/// A sparse array of pages. Pages that were never written are absent.
#[derive(Clone, Default)]
pub(crate) struct Pages {
    chunks: Vec<Option<Arc<Chunk>>>,
}

impl Pages {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Page> {
        self.chunks.get(index / CHUNK_PAGES)?.as_ref()?[index % CHUNK_PAGES].as_deref()
    }

    /// The page, for writing. An absent page is filled with zeros.
    pub(crate) fn get_mut(&mut self, index: usize) -> &mut Page {
        let slot = self.slot(index);
        Arc::make_mut(slot.get_or_insert_with(|| Arc::new(ZERO)))
    }

    pub(crate) fn set(&mut self, index: usize, page: Page) {
        *self.slot(index) = Some(Arc::new(page));
    }

    /// The pages that are present, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Page)> {
        self.chunks
            .iter()
            .enumerate()
            .filter_map(|(c, chunk)| Some((c, chunk.as_ref()?)))
            .flat_map(|(c, chunk)| {
                chunk
                    .iter()
                    .enumerate()
                    .filter_map(move |(p, page)| Some((c * CHUNK_PAGES + p, page.as_deref()?)))
            })
    }

    /// The index after the last page that is present.
    fn end(&self) -> usize {
        let chunks = self.chunks.iter().enumerate().rev();
        chunks
            .filter_map(|(c, chunk)| {
                let last = chunk.as_ref()?.iter().rposition(Option::is_some)?;
                Some(c * CHUNK_PAGES + last + 1)
            })
            .next()
            .unwrap_or(0)
    }

    /// The indexes of the pages that `self` and `other` do not share, in order. Chunks that they
    /// share cost one comparison.
    fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = usize> {
        let chunk = |pages: &'a Self, index| pages.chunks.get(index).and_then(Option::as_ref);
        let page = |pages: &'a Self, index| pages.get(index).map(ptr::from_ref);
        (0..self.chunks.len().max(other.chunks.len()))
            .filter(move |c| chunk(self, *c).map(Arc::as_ptr) != chunk(other, *c).map(Arc::as_ptr))
            .flat_map(|c| c * CHUNK_PAGES..(c + 1) * CHUNK_PAGES)
            .filter(move |index| page(self, *index) != page(other, *index))
    }

    /// Whether both share all pages.
    fn is_same(&self, other: &Self) -> bool {
        self.differences(other).next().is_none()
    }

    fn slot(&mut self, index: usize) -> &mut Option<Arc<Page>> {
        let chunk = index / CHUNK_PAGES;
        if self.chunks.len() <= chunk {
            self.chunks.resize(chunk + 1, None);
        }
        let chunk = self.chunks[chunk].get_or_insert_with(|| Arc::new(vec![None; CHUNK_PAGES]));
        &mut Arc::make_mut(chunk)[index % CHUNK_PAGES]
    }
}

/// The heap between two messages, as a difference from the module's initial memory.
#[derive(Clone, Default)]
pub(crate) struct Heap {
    pub(crate) pages: Pages,
    /// Its size, in WebAssembly pages.
    pub(crate) size: u64,
    /// A cache of its contents. Clones share it, as most of their pages are the same.
    pub(crate) images: Arc<Images>,
}

impl Heap {
    /// The heap of a fresh instance.
    pub(crate) fn fresh(size: u64) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }

    /// An image of the pages, if it is faster to map them, from page `start` on, than to copy them.
    pub(crate) fn image(&self, start: usize) -> Option<Arc<Image>> {
        self.images.image_of(&self.pages, start)
    }

    /// Writes the pages over the first bytes of a fresh instance's memory.
    pub(crate) fn restore(&self, memory: &mut [u8]) {
        let end = memory.len() / PAGE;
        for (index, page) in self.pages.iter().take_while(|(index, _)| *index < end) {
            memory[index * PAGE..][..PAGE].copy_from_slice(page);
            statistics::count(1);
        }
    }

    /// The heap that `memory` holds now, which shares all unchanged pages with `self`; and the
    /// number of changed pages. All changed pages are among `written`. `initial` is the module's
    /// initial memory.
    pub(crate) fn capture(
        &self,
        memory: &[u8],
        written: &[Range<usize>],
        initial: &Pages,
    ) -> (Self, u64) {
        let mut heap = Self {
            size: memory.len() as u64 / WASM_PAGE,
            ..self.clone()
        };
        let mut changed = 0;
        let (memory, _) = memory.as_chunks::<PAGE>();
        for index in written.iter().flat_map(Range::clone) {
            let page = &memory[index];
            let before = self
                .pages
                .get(index)
                .or_else(|| initial.get(index))
                .unwrap_or(&ZERO);
            statistics::count(1);
            if page != before {
                heap.pages.set(index, *page);
                changed += 1;
            }
        }
        (heap, changed)
    }

    /// The same contents as a difference from another module's initial memory.
    pub(crate) fn rebase(&self, from: &Pages, to: &Pages) -> Self {
        let mut image = self.clone();
        for (index, page) in from.iter() {
            if self.pages.get(index).is_none() && to.get(index) != Some(page) {
                image.pages.set(index, *page);
            }
        }
        for (index, _) in to.iter() {
            if self.pages.get(index).is_none() && from.get(index).is_none() {
                image.pages.set(index, ZERO);
            }
        }
        image
    }

    /// Fills `into` from `offset`; `initial` is the module's initial memory. The caller has checked
    /// the bounds.
    pub(crate) fn read(&self, initial: &Pages, offset: u64, into: &mut [u8]) {
        read(offset, into, |page| {
            self.pages.get(page).or_else(|| initial.get(page))
        });
    }

    /// Writes `from` at `offset`. The caller has checked the bounds.
    pub(crate) fn write(&mut self, offset: u64, from: &[u8]) {
        write(&mut self.pages, offset, from);
    }
}

/// The pages of `memory` that are not zero.
pub(crate) fn non_zero(memory: &[u8]) -> Pages {
    let mut pages = Pages::default();
    for (index, page) in memory.as_chunks::<PAGE>().0.iter().enumerate() {
        if *page != ZERO {
            pages.set(index, *page);
        }
    }
    pages
}

/// How many pages of heaps the messages of this thread copied or compared, for tests.
pub(crate) mod statistics {
    #[cfg(test)]
    use std::cell::Cell;

    #[cfg(test)]
    thread_local! {
        static PAGES: Cell<u64> = const { Cell::new(0) };
    }

    #[cfg(not(test))]
    pub(crate) fn count(_: u64) {}

    #[cfg(test)]
    pub(crate) fn count(pages: u64) {
        PAGES.set(PAGES.get() + pages);
    }

    #[cfg(test)]
    pub(crate) fn taken() -> u64 {
        PAGES.take()
    }
}

/// Stable memory.
#[derive(Clone, Default)]
pub(crate) struct Stable {
    pub(crate) pages: Pages,
    /// Its size, in WebAssembly pages.
    pub(crate) size: u64,
}

impl Stable {
    pub(crate) fn bytes(&self) -> u64 {
        self.size * WASM_PAGE
    }

    /// Grows by `pages` WebAssembly pages; answers the old size, or `None` if the new size exceeds
    /// the limit.
    pub(crate) fn grow(&mut self, pages: u64) -> Option<u64> {
        let size = self
            .size
            .checked_add(pages)
            .filter(|size| *size <= MAX_STABLE_PAGES)?;
        Some(std::mem::replace(&mut self.size, size))
    }

    /// Fills `into` from `offset`. The caller has checked the bounds.
    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) {
        read(offset, into, |page| self.pages.get(page));
    }

    /// Writes `from` at `offset`. The caller has checked the bounds.
    pub(crate) fn write(&mut self, offset: u64, from: &[u8]) {
        write(&mut self.pages, offset, from);
    }

    /// All bytes as one piece; `None` if there are too many for a copy.
    pub(crate) fn to_vec(&self) -> Option<Vec<u8>> {
        if self.bytes() > MAX_COPY {
            return None;
        }
        let mut bytes = vec![0; self.bytes() as usize];
        for (index, page) in self.pages.iter() {
            bytes[index * PAGE..][..PAGE].copy_from_slice(page);
        }
        Some(bytes)
    }

    /// Stable memory that begins with `bytes`. `None` if they are too many.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut stable = Self::default();
        stable.grow((bytes.len() as u64).div_ceil(WASM_PAGE))?;
        stable.write(0, bytes);
        Some(stable)
    }
}

/// Fills `into` from `offset` of the memory whose pages `pages` answers.
fn read<'a>(mut offset: u64, mut into: &mut [u8], pages: impl Fn(usize) -> Option<&'a Page>) {
    while !into.is_empty() {
        let (page, start, length) = span(offset, into.len());
        let (now, later) = into.split_at_mut(length);
        now.copy_from_slice(&pages(page).unwrap_or(&ZERO)[start..start + length]);
        offset += length as u64;
        into = later;
    }
}

/// Writes `from` at `offset`.
fn write(pages: &mut Pages, mut offset: u64, mut from: &[u8]) {
    while !from.is_empty() {
        let (page, start, length) = span(offset, from.len());
        let (now, later) = from.split_at(length);
        pages.get_mut(page)[start..start + length].copy_from_slice(now);
        offset += length as u64;
        from = later;
    }
}

/// The part of `length` bytes at `offset` that lies in one page: the page, the start within it, and
/// the number of bytes.
fn span(offset: u64, length: usize) -> (usize, usize, usize) {
    let start = (offset % PAGE as u64) as usize;
    (
        (offset / PAGE as u64) as usize,
        start,
        length.min(PAGE - start),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{
        Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof,
        proptest,
    };

    use super::*;

    /// A guest's memory as the host sees it: it begins at a page of the process.
    struct Guest {
        bytes: Vec<u8>,
        start: usize,
        size: usize,
    }

    impl Guest {
        const MOST: usize = 8 * WASM_PAGE as usize;

        /// A fresh instance, into which an image is written.
        fn new(image: &Heap, initial: &Pages) -> Self {
            let bytes = vec![0; Self::MOST + PAGE];
            let start = bytes.as_ptr().align_offset(PAGE);
            let size = (image.size * WASM_PAGE) as usize;
            let mut guest = Self { bytes, start, size };
            for (index, page) in initial.iter() {
                guest.memory()[index * PAGE..][..PAGE].copy_from_slice(page);
            }
            image.restore(guest.memory());
            guest
        }

        fn memory(&mut self) -> &mut [u8] {
            &mut self.bytes[self.start..][..self.size]
        }
    }

    #[derive(Clone, Debug)]
    enum Act {
        Write {
            at: usize,
            bytes: Vec<u8>,
        },
        Grow,
        Commit,
        RollBack,
        /// Forks the memory.
        Fork,
        /// Goes on with the other fork.
        Switch,
    }

    fn act() -> impl Strategy<Value = Act> {
        let bytes = prop_oneof![
            prop::collection::vec(0_u8..3, 1..20),
            prop::collection::vec(0_u8..3, 3_000..9_000),
            // Zeros again.
            (1_usize..9_000).prop_map(|length| vec![0; length]),
        ];
        prop_oneof![
            6 => (any::<prop::sample::Index>(), bytes).prop_map(|(at, bytes)| Act::Write {
                at: at.index(Guest::MOST),
                bytes,
            }),
            1 => Just(Act::Grow),
            3 => Just(Act::Commit),
            2 => Just(Act::RollBack),
            1 => Just(Act::Fork),
            1 => Just(Act::Switch),
        ]
    }

    /// The offset and the bytes of a write.
    fn write_act() -> impl Strategy<Value = (u64, Vec<u8>)> {
        let bytes = prop::collection::vec(0_u8..3, 1..9_000);
        (0..2 * WASM_PAGE - 9_000, bytes)
    }

    fn initial(places: &[(u8, u8)]) -> Pages {
        let mut memory = vec![0; 2 * WASM_PAGE as usize];
        for (at, byte) in places {
            memory[usize::from(*at) * 300] = *byte;
        }
        non_zero(&memory)
    }

    fn contents(image: &Heap, initial: &Pages) -> Vec<u8> {
        let mut bytes = vec![7; (image.size * WASM_PAGE) as usize];
        image.read(initial, 0, &mut bytes);
        bytes
    }

    #[test]
    fn a_copy_shares_all_pages_that_neither_writes() {
        const PAGES: usize = 3 * CHUNK_PAGES;
        let mut origin = Pages::new();
        (0..PAGES).for_each(|index| origin.set(index, [1; PAGE]));
        let mut copy = origin.clone();
        copy.get_mut(CHUNK_PAGES)[0] = 2;
        origin.set(7, [3; PAGE]);
        let at = |pages: &Pages, index| pages.get(index).map(std::ptr::from_ref);
        let apart: Vec<_> = (0..PAGES)
            .filter(|index| at(&origin, *index) != at(&copy, *index))
            .collect();
        assert_eq!(apart, [7, CHUNK_PAGES]);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 128,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn a_heap_is_what_was_committed_and_counts_the_pages_that_changed(
            places in prop::collection::vec(any::<(u8, u8)>(), 0..5),
            acts in prop::collection::vec(act(), 1..30),
        ) {
            let initial = initial(&places);
            let mut image = Heap::fresh(2);
            let mut guest = Guest::new(&image, &initial);
            let mut model = guest.memory().to_vec();
            let mut other = (image.clone(), model.clone());
            for act in acts {
                match act {
                    Act::Write { at, bytes } => {
                        let memory = guest.memory();
                        let at = at % memory.len();
                        let length = bytes.len().min(memory.len() - at);
                        memory[at..at + length].copy_from_slice(&bytes[..length]);
                    }
                    Act::Grow => guest.size = (guest.size + WASM_PAGE as usize).min(Guest::MOST),
                    Act::Commit => {
                        model.resize(guest.size, 0);
                        let pages = model.chunks(PAGE).zip(guest.memory().chunks(PAGE));
                        let expected = pages.filter(|(old, new)| old != new).count() as u64;
                        let written = 0..guest.size / PAGE;
                        let (committed, changed) =
                            image.capture(guest.memory(), &[written], &initial);
                        prop_assert_eq!(changed, expected);
                        image = committed;
                        model = guest.memory().to_vec();
                    }
                    Act::RollBack => guest = Guest::new(&image, &initial),
                    Act::Fork => other = (image.clone(), model.clone()),
                    Act::Switch => {
                        let now = (image, model);
                        (image, model) = std::mem::replace(&mut other, now);
                        guest = Guest::new(&image, &initial);
                    }
                }
                prop_assert!(contents(&image, &initial) == model);
                prop_assert!(contents(&other.0, &initial) == other.1);
            }
        }

        #[test]
        fn a_heap_keeps_its_contents_when_it_moves_to_another_module(
            places in prop::collection::vec(any::<(u8, u8)>(), 0..5),
            others in prop::collection::vec(any::<(u8, u8)>(), 0..5),
            writes in prop::collection::vec(write_act(), 0..4),
        ) {
            let (from, to) = (initial(&places), initial(&others));
            let mut image = Heap::fresh(2);
            let mut model = contents(&image, &from);
            for (at, bytes) in writes {
                // The first write to a page begins with the module's initial memory.
                let mut whole = contents(&image, &from);
                whole[at as usize..][..bytes.len()].copy_from_slice(&bytes);
                image.write(0, &whole);
                model[at as usize..][..bytes.len()].copy_from_slice(&bytes);
            }
            prop_assert!(contents(&image, &from) == model);
            prop_assert!(contents(&image.rebase(&from, &to), &to) == model);
        }

        #[test]
        fn stable_memory_and_its_copies_are_what_was_written(
            acts in prop::collection::vec(act(), 1..40),
        ) {
            let mut stable = Stable::default();
            let mut model: Vec<u8> = Vec::new();
            let mut other = (stable.clone(), model.clone());
            for act in acts {
                match act {
                    Act::Write { at, bytes } => {
                        let at = at.min(model.len());
                        let length = bytes.len().min(model.len() - at);
                        stable.write(at as u64, &bytes[..length]);
                        model[at..at + length].copy_from_slice(&bytes[..length]);
                        let mut read = vec![7; length];
                        stable.read(at as u64, &mut read);
                        prop_assert!(read == bytes[..length]);
                    }
                    Act::Grow => {
                        prop_assert_eq!(stable.grow(1), Some(model.len() as u64 / WASM_PAGE));
                        model.resize(model.len() + WASM_PAGE as usize, 0);
                    }
                    Act::Commit | Act::Fork => other = (stable.clone(), model.clone()),
                    Act::RollBack => (stable, model) = other.clone(),
                    Act::Switch => {
                        let now = (stable, model);
                        (stable, model) = std::mem::replace(&mut other, now);
                    }
                }
                prop_assert!(stable.to_vec().as_ref() == Some(&model));
                prop_assert!(other.0.to_vec().as_ref() == Some(&other.1));
                let copy = Stable::from_bytes(&model).and_then(|copy| copy.to_vec());
                prop_assert!(copy.as_ref() == Some(&model));
            }
        }
    }
}
