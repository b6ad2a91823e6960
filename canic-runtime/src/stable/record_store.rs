//! A shelf: records of one kind in stable memory, each at a place of its own.
//!
//! A place is one piece of fixed size, or a chain of them for a record that is longer. Writing a record costs the same however
//! many there are; in exchange nothing is sorted here. Where which record lies is known on the heap: whoever opens a shelf
//! is shown all of them.

use crate::{
    stable::memory::{self, Memory},
    stable::record,
};
use ic_stable_structures::{Storable, Vec as StableVec, storable::Bound};
use std::{borrow::Cow, marker::PhantomData};

/// Where a record lies: its first piece.
pub(crate) type RecordId = u32;

/// What a piece begins with: what it is, and which one comes next.
const HEAD: usize = 5;
const FIRST: u8 = 1;
const FURTHER: u8 = 2;
const LAST: u32 = u32::MAX;

/// What lies in a piece: a part of a record behind its head, or nothing.
struct Slot<const SIZE: u32>(Vec<u8>);

impl<const SIZE: u32> Storable for Slot<SIZE> {
    const BOUND: Bound = Bound::Bounded {
        max_size: SIZE,
        is_fixed_size: false,
    };

    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }

    fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn from_bytes(bytes: Cow<'_, [u8]>) -> Self {
        Self(bytes.into_owned())
    }
}

impl<const SIZE: u32> Slot<SIZE> {
    /// What it is, which one comes next, and its part of the record; none if it is free.
    fn parts(&self) -> Option<(u8, u32, &[u8])> {
        let (kind, rest) = self.0.split_first()?;
        let (next, part) = rest.split_first_chunk::<4>()?;
        Some((*kind, u32::from_le_bytes(*next), part))
    }
}

/// Records of a kind, in pieces of `SIZE` bytes.
pub(crate) struct RecordStore<T, const SIZE: u32> {
    pieces: StableVec<Slot<SIZE>, Memory>,
    free: Vec<u32>,
    records: PhantomData<T>,
}

impl<T, const SIZE: u32> RecordStore<T, SIZE>
where
    T: minicbor::Encode<()> + for<'a> minicbor::Decode<'a, ()>,
{
    /// Opens a shelf and shows each record.
    pub(crate) fn open(memory: u8, mut show: impl FnMut(RecordId, T)) -> Self {
        let mut shelf = Self {
            pieces: StableVec::init(memory::open(memory)),
            free: Vec::new(),
            records: PhantomData,
        };
        // The lowest pieces are taken first.
        for at in (0..shelf.pieces.len() as u32).rev() {
            match shelf.piece(at).parts() {
                None => shelf.free.push(at),
                Some((FIRST, ..)) => show(at, shelf.get(at)),
                Some(_) => {}
            }
        }
        shelf
    }

    /// Reads the record at a spot.
    ///
    /// # Panics
    /// If stable memory is damaged. The trap keeps it as it is.
    pub(crate) fn get(&self, spot: RecordId) -> T {
        let mut record = Vec::new();
        self.follow(spot, |_, part| record.extend_from_slice(part));
        record::decode(&record)
    }

    /// Writes a record, to where it lies already or to a spot that is free, and answers where it lies.
    pub(crate) fn put(&mut self, spot: Option<RecordId>, record: &T) -> RecordId {
        let record = record::encode(record);
        let mut chain = Vec::new();
        if let Some(spot) = spot {
            self.follow(spot, |at, _| chain.push(at));
        }
        let parts = record.chunks(SIZE as usize - HEAD);
        for at in chain.drain(parts.len().min(chain.len())..) {
            self.clear(at);
        }
        let mut new = self.pieces.len() as u32;
        while chain.len() < parts.len() {
            chain.push(self.free.pop().unwrap_or_else(|| {
                new += 1;
                new - 1
            }));
        }
        for (index, part) in parts.enumerate() {
            let kind = if index == 0 { FIRST } else { FURTHER };
            let next = chain.get(index + 1).unwrap_or(&LAST);
            let mut piece = Vec::with_capacity(HEAD + part.len());
            piece.push(kind);
            piece.extend_from_slice(&next.to_le_bytes());
            piece.extend_from_slice(part);
            self.write(chain[index], Slot(piece));
        }
        chain[0]
    }

    /// Takes a record away.
    pub(crate) fn remove(&mut self, spot: RecordId) {
        let mut chain = Vec::new();
        self.follow(spot, |at, _| chain.push(at));
        for at in chain {
            self.clear(at);
        }
    }

    fn clear(&mut self, at: u32) {
        self.write(at, Slot(Vec::new()));
        self.free.push(at);
    }

    fn write(&self, at: u32, piece: Slot<SIZE>) {
        if u64::from(at) == self.pieces.len() {
            self.pieces.push(&piece);
        } else {
            self.pieces.set(at.into(), &piece);
        }
    }

    fn piece(&self, at: u32) -> Slot<SIZE> {
        match self.pieces.get(at.into()) {
            Some(piece) => piece,
            None => corrupt(),
        }
    }

    /// Goes along the pieces of a record.
    fn follow(&self, spot: RecordId, mut go: impl FnMut(u32, &[u8])) {
        let (mut at, mut expected) = (spot, FIRST);
        // A chain that is damaged may go in circles.
        for _ in 0..self.pieces.len() {
            match self.piece(at).parts() {
                Some((kind, next, part)) if kind == expected => {
                    go(at, part);
                    if next == LAST {
                        return;
                    }
                    (at, expected) = (next, FURTHER);
                }
                Some(_) | None => corrupt(),
            }
        }
        corrupt()
    }
}

fn corrupt() -> ! {
    panic!("canic: corrupt record in stable memory: its pieces do not belong together")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Texts = RecordStore<String, 16>;

    fn all(memory: u8) -> (Texts, BTreeMap<RecordId, String>) {
        let mut all = BTreeMap::new();
        let shelf = Texts::open(memory, |spot, text| drop(all.insert(spot, text)));
        (shelf, all)
    }

    proptest! {
        /// Against a list of texts: records grow, shrink and go, and the others stay what they are.
        #[test]
        fn keeps_what_is_put_there(changes in prop::collection::vec((0..8usize, 0..60usize), 1..80)) {
            memory::forget();
            let (mut shelf, _) = all(0);
            let mut model: BTreeMap<usize, (RecordId, String)> = BTreeMap::new();
            for (who, length) in changes {
                let before = model.remove(&who).map(|(spot, _)| spot);
                if length == 0 {
                    before.into_iter().for_each(|spot| shelf.remove(spot));
                } else {
                    let text = who.to_string().repeat(length);
                    let spot = shelf.put(before, &text);
                    prop_assert!(before.is_none_or(|before| before == spot), "it stays where it is");
                    model.insert(who, (spot, text));
                }
                for (spot, text) in model.values() {
                    prop_assert_eq!(&shelf.get(*spot), text);
                }
                let (again, shown) = all(0);
                prop_assert_eq!(shown, model.values().cloned().collect());
                let used: usize = model.values().map(|(_, text)| (record::encode(text).len()).div_ceil(11)).sum();
                prop_assert_eq!(again.pieces.len() as usize, used + again.free.len(), "no piece is lost");
            }
        }
    }

    #[test]
    fn what_is_free_is_used_before_the_shelf_grows() {
        memory::forget();
        let (mut shelf, _) = all(0);
        let long = "x".repeat(50);
        let spots = [(); 3].map(|()| shelf.put(None, &long));
        let before = shelf.pieces.len();
        shelf.remove(spots[1]);
        shelf.put(None, &long);
        assert_eq!(shelf.pieces.len(), before);
    }

    #[test]
    #[should_panic(expected = "corrupt record")]
    fn a_chain_that_goes_in_circles_is_an_error() {
        memory::forget();
        let (mut shelf, _) = all(0);
        let spot = shelf.put(None, &"x".repeat(25));
        let mut further = shelf.piece(1);
        further.0[1..HEAD].copy_from_slice(&1u32.to_le_bytes());
        shelf.write(1, further);
        shelf.get(spot);
    }
}
