//! Pages: a sparse array that copies share until one of them writes.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_bytes::{ByteBuf, Bytes};

/// Bytes of one page of a memory: the platform's own unit of change.
pub(crate) const PAGE: usize = 4096;

/// Entries of a node of the tree, except the root.
const FAN: usize = 64;

/// Pages of a leaf, and of a branch.
const LEAF: usize = FAN;
const BRANCH: usize = FAN * LEAF;

pub(crate) type Page = [u8; PAGE];
pub(super) static ZERO: Page = [0; PAGE];

/// The levels of the tree. The root has one branch for each 16 MiB.
type Root = Vec<Option<Arc<Branch>>>;
type Branch = [Option<Arc<Leaf>>; FAN];
type Leaf = [Option<Arc<Page>>; FAN];

/// A sparse array of pages. Pages that were never written are absent.
///
/// It is a tree whose nodes copies share. A copy takes one reference. A page that is written copies
/// the nodes above it, and the comparison with a copy visits only nodes that are not shared. Both
/// cost what the written pages cost, however large the memory is.
#[derive(Clone, Default)]
pub(crate) struct Pages {
    root: Option<Arc<Root>>,
}

impl Pages {
    pub(crate) const fn new() -> Self {
        Self { root: None }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Page> {
        self.page(index).map(Arc::as_ref)
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
        self.leaves().flat_map(|(start, leaf)| {
            let pages = leaf.iter().enumerate();
            pages.filter_map(move |(p, page)| Some((start + p, page.as_deref()?)))
        })
    }

    /// The index after the last page that is present.
    pub(super) fn end(&self) -> usize {
        let last = self.leaves().rev().find_map(|(start, leaf)| {
            let last = leaf.iter().rposition(Option::is_some)?;
            Some(start + last + 1)
        });
        last.unwrap_or(0)
    }

    /// The indexes of the pages that `self` and `other` do not share, in order.
    pub(super) fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = usize> {
        let branches = match share(self.root.as_ref(), other.root.as_ref()) {
            true => 0,
            false => self.branches().max(other.branches()),
        };
        (0..branches)
            .filter(|b| !share(self.branch(*b), other.branch(*b)))
            .flat_map(|b| b * FAN..(b + 1) * FAN)
            .filter(|l| !share(self.leaf(*l), other.leaf(*l)))
            .flat_map(|l| l * LEAF..(l + 1) * LEAF)
            .filter(|index| !share(self.page(*index), other.page(*index)))
    }

    /// Whether both share all pages.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.differences(other).next().is_none()
    }

    /// The leaves that are present, each with the index of its first page.
    fn leaves(&self) -> impl DoubleEndedIterator<Item = (usize, &Leaf)> {
        let root: &[_] = self.root.as_ref().map_or(&[], |root| root);
        let branches = root.iter().enumerate();
        branches
            .filter_map(|(b, branch)| Some((b * BRANCH, branch.as_deref()?)))
            .flat_map(|(start, branch)| {
                let leaves = branch.iter().enumerate();
                leaves.filter_map(move |(l, leaf)| Some((start + l * LEAF, leaf.as_deref()?)))
            })
    }

    fn branches(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.len())
    }

    fn branch(&self, number: usize) -> Option<&Arc<Branch>> {
        self.root.as_ref()?.get(number)?.as_ref()
    }

    fn leaf(&self, number: usize) -> Option<&Arc<Leaf>> {
        self.branch(number / FAN)?[number % FAN].as_ref()
    }

    fn page(&self, index: usize) -> Option<&Arc<Page>> {
        self.leaf(index / LEAF)?[index % LEAF].as_ref()
    }

    /// The place of a page, for a change.
    fn slot(&mut self, index: usize) -> &mut Option<Arc<Page>> {
        let root = own(self.root.get_or_insert_default());
        let number = index / BRANCH;
        if root.len() <= number {
            root.resize(number + 1, None);
        }
        let branch = own(root[number].get_or_insert_with(|| Arc::new([const { None }; FAN])));
        let leaf =
            branch[index / LEAF % FAN].get_or_insert_with(|| Arc::new([const { None }; FAN]));
        &mut own(leaf)[index % LEAF]
    }
}

/// Whether both are the same node, or absent.
fn share<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    statistics::count_entries(1);
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

/// A node, for a change. It is copied if another tree shares it.
fn own<T: Clone + AsRef<[E]>, E>(node: &mut Arc<T>) -> &mut T {
    if Arc::strong_count(node) > 1 {
        statistics::count_entries(AsRef::<[E]>::as_ref(&**node).len() as u64);
    }
    Arc::make_mut(node)
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

/// The work of the messages of this thread on heaps, for tests.
pub(crate) mod statistics {
    #[cfg(test)]
    use std::cell::Cell;

    #[cfg(test)]
    thread_local! {
        static PAGES: Cell<u64> = const { Cell::new(0) };
        static ENTRIES: Cell<u64> = const { Cell::new(0) };
    }

    /// Counts pages that are copied or compared.
    pub(crate) fn count(_pages: u64) {
        #[cfg(test)]
        PAGES.set(PAGES.get() + _pages);
    }

    /// Counts entries of nodes that are copied or compared.
    pub(crate) fn count_entries(_entries: u64) {
        #[cfg(test)]
        ENTRIES.set(ENTRIES.get() + _entries);
    }

    /// The pages since the last question.
    #[cfg(test)]
    pub(crate) fn taken() -> u64 {
        PAGES.take()
    }

    /// The entries since the last question.
    #[cfg(test)]
    pub(crate) fn taken_entries() -> u64 {
        ENTRIES.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pages: usize) -> Pages {
        let mut filled = Pages::new();
        (0..pages).for_each(|index| filled.set(index, [1; PAGE]));
        filled
    }

    #[test]
    fn a_copy_shares_all_pages_that_neither_writes() {
        const PAGES: usize = 3 * BRANCH;
        let mut origin = filled(PAGES);
        let mut copy = origin.clone();
        assert!(origin.is_same(&copy));
        copy.get_mut(LEAF)[0] = 2;
        copy.get_mut(2 * BRANCH - 1)[0] = 5;
        origin.set(7, [3; PAGE]);
        copy.set(PAGES + 5, [4; PAGE]);
        let at = |pages: &Pages, index| pages.get(index).map(std::ptr::from_ref);
        let apart: Vec<_> = (0..2 * PAGES)
            .filter(|index| at(&origin, *index) != at(&copy, *index))
            .collect();
        assert_eq!(apart, [7, LEAF, 2 * BRANCH - 1, PAGES + 5]);
        assert_eq!(origin.differences(&copy).collect::<Vec<_>>(), apart);
        assert_eq!(copy.differences(&origin).collect::<Vec<_>>(), apart);
    }

    #[test]
    fn the_work_of_one_page_does_not_depend_on_the_pages_there_are() {
        let work = |pages| {
            let mut origin = filled(pages);
            let before = origin.clone();
            statistics::taken_entries();
            origin.get_mut(pages / 2)[0] = 2;
            assert_eq!(before.differences(&origin).collect::<Vec<_>>(), [pages / 2]);
            assert!(origin.is_same(&origin.clone()));
            statistics::taken_entries()
        };
        // One entry of the root for each 16 MiB is all that a large memory adds.
        let (few, many) = (work(BRANCH), work(30 * BRANCH));
        assert_eq!(many, few + 2 * 29);
    }

    #[test]
    fn pages_are_found_in_order_however_sparse_they_are() {
        let written = [0, 1, LEAF, BRANCH - 1, BRANCH, 9 * BRANCH + 3 * LEAF + 5];
        let mut pages = Pages::new();
        written
            .iter()
            .rev()
            .for_each(|index| pages.set(*index, [*index as u8; PAGE]));
        let found = pages.iter().map(|(index, page)| (index, page[0]));
        let expected = written.map(|index| (index, index as u8));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert_eq!(pages.end(), written[5] + 1);
        assert_eq!(Pages::new().end(), 0);
        assert!((0..pages.end()).all(|i| pages.get(i).is_some() == written.contains(&i)));
    }
}
