//! Memory as plain data: pages that copies share until one of them writes.
//!
//! Between messages, a canister's heap and stable memory are data of this kind. A rollback drops
//! them, and a fork clones them; both cost next to nothing, however large the memory is.

// Only Linux maps images.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) mod images;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) mod pages;

use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::memory::{
    images::{Image, Images},
    pages::{ZERO, read, statistics, write},
};

pub(crate) use pages::{PAGE, Pages, non_zero};

/// Bytes of one WebAssembly page.
pub(crate) const WASM_PAGE: u64 = 65_536;
/// The platform's limit for one canister's stable memory, in WebAssembly pages (500 GiB).
const MAX_STABLE_PAGES: u64 = 500 * 16_384;

/// The longest copy of a stable memory as one piece, in bytes (8 GiB).
const MAX_COPY: u64 = 8 << 30;

/// The heap between two messages, as a difference from the module's initial memory.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Heap {
    pub(crate) pages: Pages,
    /// Its size, in WebAssembly pages.
    pub(crate) size: u64,
    /// A cache of its contents. Clones share it, as most of their pages are the same.
    #[serde(skip)]
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
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
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

/// Stable memory.
#[derive(Clone, Default, Serialize, Deserialize)]
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
