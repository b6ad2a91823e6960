//! Pages: a sparse array that copies share until one of them writes.

use std::{ptr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_bytes::{ByteBuf, Bytes};

/// Bytes of one page of a memory: the platform's own unit of change.
pub(crate) const PAGE: usize = 4096;

/// Pages per chunk. Two levels keep both short: the clone of a large memory, which takes a
/// reference per chunk, and the copy of a chunk for one page that is written.
const CHUNK_PAGES: usize = 64;

pub(crate) type Page = [u8; PAGE];
pub(super) static ZERO: Page = [0; PAGE];

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
    pub(super) fn end(&self) -> usize {
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
    pub(super) fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = usize> {
        let chunk = |pages: &'a Self, index| pages.chunks.get(index).and_then(Option::as_ref);
        let page = |pages: &'a Self, index| pages.get(index).map(ptr::from_ref);
        (0..self.chunks.len().max(other.chunks.len()))
            .filter(move |c| chunk(self, *c).map(Arc::as_ptr) != chunk(other, *c).map(Arc::as_ptr))
            .flat_map(|c| c * CHUNK_PAGES..(c + 1) * CHUNK_PAGES)
            .filter(move |index| page(self, *index) != page(other, *index))
    }

    /// Whether both share all pages.
    pub(super) fn is_same(&self, other: &Self) -> bool {
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

/// On disk, pages are a list of those that are present, with their indexes.
impl Serialize for Pages {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pages = self.iter().map(|(index, page)| (index, Bytes::new(page)));
        pages.collect::<Vec<_>>().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Pages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut pages = Self::default();
        for (index, page) in Vec::<(usize, ByteBuf)>::deserialize(deserializer)? {
            let page = Page::try_from(page.as_slice()).map_err(D::Error::custom)?;
            pages.set(index, page);
        }
        Ok(pages)
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

/// Fills `into` from `offset` of the memory whose pages `pages` answers.
pub(super) fn read<'a>(
    mut offset: u64,
    mut into: &mut [u8],
    pages: impl Fn(usize) -> Option<&'a Page>,
) {
    while !into.is_empty() {
        let (page, start, length) = span(offset, into.len());
        let (now, later) = into.split_at_mut(length);
        now.copy_from_slice(&pages(page).unwrap_or(&ZERO)[start..start + length]);
        offset += length as u64;
        into = later;
    }
}

/// Writes `from` at `offset`.
pub(super) fn write(pages: &mut Pages, mut offset: u64, mut from: &[u8]) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
