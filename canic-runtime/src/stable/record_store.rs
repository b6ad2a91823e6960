//! A record store: records of one kind in stable memory, each in slots of its own.
//!
//! A record lies in one slot of fixed size, or in a linked list of slots if it is longer. Writing
//! it costs the same however many records there are. In exchange the records have no order: every
//! index is on the heap, and is rebuilt from the records when the store is opened.
//!
//! ```text
//! byte   0         4         12        16        17        64       64 + s   64 + 2s
//!        ┌─────────┬─────────┬─────────┬─────────┬─────────┬────────┬────────┬──
//!        │ "SVC" 1 │ slots   │ SIZE    │ 0       │ 0 ..    │ slot 0 │ slot 1 │ ..
//!        └─────────┴─────────┴─────────┴─────────┴─────────┴────────┴────────┴──
//!          magic     u64, LE   u32, LE   not fixed reserved  s bytes each
//!
//! slot   0         p         p + 1     p + 5              p + SIZE = s
//!        ┌─────────┬─────────┬─────────┬──────────────────┐
//!        │ length  │ kind    │ next    │ part of a record │
//!        └─────────┴─────────┴─────────┴──────────────────┘
//!          p B, LE   u8        u32, LE   SIZE - 5 bytes at most, CBOR
//! ```
//!
//! The header of 64 bytes and the length of each slot belong to `ic_stable_structures::Vec`. p is 1
//! if SIZE is below 256, else 2. The length counts kind, next and part; it is 0 in a free slot. The
//! kind is 1 in a record's first slot and 2 in the others. `next` is the index of the record's next
//! slot, in the last one `u32::MAX`:
//!
//! ```text
//! record 3   slot 3           slot 7           slot 4
//!            ┌───┬───┬─────┐  ┌───┬───┬─────┐  ┌───┬──────┬─────┐
//!            │ 1 │ 7 │ ... ├─▶│ 2 │ 4 │ ... ├─▶│ 2 │ LAST │ ... │
//!            └───┴───┴─────┘  └───┴───┴─────┘  └───┴──────┴─────┘
//! ```

use std::{borrow::Cow, marker::PhantomData, mem};

use ic_stable_structures::{Storable, storable::Bound};

use crate::stable::{blocks::Slots, record};

/// The index of a record's first slot.
pub(crate) type RecordId = u32;

/// The bytes of a slot's kind and of its link to the next slot.
const HEAD: usize = 5;

/// The most bytes of a slot's length.
const MAX_PREFIX: usize = 2;

/// The kind of a record's first slot.
const FIRST: u8 = 1;

/// The kind of a record's other slots.
const FURTHER: u8 = 2;

/// The link of a record's last slot.
const LAST: u32 = u32::MAX;

/// The bytes of a slot: kind, link and a part of a record. Empty if the slot is free.
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
    /// The bytes of a slot's length.
    const PREFIX: usize = if SIZE < 256 { 1 } else { 2 };

    /// The bytes of a slot with its length.
    const WIDTH: usize = Self::PREFIX + SIZE as usize;

    /// The slot in its bytes with their length.
    fn content(bytes: &[u8]) -> Option<&[u8]> {
        let (prefix, rest) = bytes.split_at_checked(Self::PREFIX)?;
        let length = prefix.iter().rev();
        let length = length.fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest.get(..length)
    }
}

/// Kind, link, and part of the record, of a slot. None if the slot is free.
fn fields(slot: &[u8]) -> Option<(u8, u32, &[u8])> {
    let (kind, rest) = slot.split_first()?;
    let (next, part) = rest.split_first_chunk::<4>()?;
    Some((*kind, u32::from_le_bytes(*next), part))
}

/// Records of one kind, in slots of `SIZE` bytes.
pub(crate) struct RecordStore<T, const SIZE: u32> {
    slots: Slots<Slot<SIZE>>,
    free: Vec<u32>,
    /// The bytes of the record that is being written: a buffer of this size is dear to allocate.
    buffer: Vec<u8>,
    records: PhantomData<T>,
}

impl<T, const SIZE: u32> RecordStore<T, SIZE>
where
    T: minicbor::Encode<()> + for<'a> minicbor::Decode<'a, ()>,
{
    /// Opens the store in a memory and calls `visit` with the bytes of each record, so that one who
    /// needs only a part of it need not decode the rest.
    ///
    /// # Panics
    ///
    /// If stable memory is damaged. The trap keeps it as it is.
    pub(crate) fn open(memory: u8, mut visit: impl FnMut(RecordId, &[u8])) -> Self {
        let mut store = Self {
            slots: Slots::open(memory, Slot::<SIZE>::WIDTH),
            free: Vec::new(),
            buffer: Vec::new(),
            records: PhantomData,
        };
        if u32::try_from(store.slots.count()).is_err() {
            corrupt()
        }
        let mut free = Vec::new();
        store.slots.for_each(|index, bytes| {
            let Some(slot) = Slot::<SIZE>::content(bytes) else {
                corrupt()
            };
            match fields(slot) {
                None => free.push(index),
                Some((FIRST, LAST, record)) => visit(index, record),
                Some((FIRST, ..)) => visit(index, &store.bytes(index)),
                Some(_) => {}
            }
        });
        // The lowest free slots are used first.
        free.reverse();
        store.free = free;
        store
    }

    /// Reads a record.
    ///
    /// # Panics
    ///
    /// If stable memory is damaged. The trap keeps it as it is.
    pub(crate) fn get(&self, id: RecordId) -> T {
        record::decode(&self.bytes(id))
    }

    fn bytes(&self, id: RecordId) -> Vec<u8> {
        let mut record = Vec::new();
        let mut bytes = vec![0; Slot::<SIZE>::WIDTH];
        self.for_each_slot(id, &mut bytes, |_, slot| {
            let part = Slot::<SIZE>::content(slot).and_then(|slot| slot.get(HEAD..));
            record.extend_from_slice(part.unwrap_or_else(|| corrupt()));
        });
        record
    }

    /// Writes a record: over the one with this id, or as a new one. Answers its id, which never
    /// changes.
    ///
    /// # Panics
    ///
    /// If stable memory is damaged, or can't grow. The trap keeps it as it is.
    pub(crate) fn put(&mut self, id: Option<RecordId>, record: &T) -> RecordId {
        let mut bytes = mem::take(&mut self.buffer);
        bytes.clear();
        record::encode_into(record, &mut bytes);
        let mut indexes = id.map_or_else(Vec::new, |id| self.slots_of(id));
        let parts = bytes.chunks(SIZE as usize - HEAD);
        for index in indexes.drain(parts.len().min(indexes.len())..) {
            self.clear(index);
        }
        let mut end = self.slots.count() as u32;
        while indexes.len() < parts.len() {
            indexes.push(self.free.pop().unwrap_or_else(|| {
                end += 1;
                end - 1
            }));
        }
        for (number, part) in parts.enumerate() {
            let kind = if number == 0 { FIRST } else { FURTHER };
            let next = indexes.get(number + 1).unwrap_or(&LAST);
            self.write(indexes[number], kind, *next, part);
        }
        self.buffer = bytes;
        indexes[0]
    }

    /// Removes a record.
    ///
    /// # Panics
    ///
    /// If stable memory is damaged. The trap keeps it as it is.
    pub(crate) fn remove(&mut self, id: RecordId) {
        for index in self.slots_of(id) {
            self.clear(index);
        }
    }

    fn clear(&mut self, index: u32) {
        let empty = [0; MAX_PREFIX];
        self.slots.write(index, 0, &empty[..Slot::<SIZE>::PREFIX]);
        self.free.push(index);
    }

    /// Writes a slot: over the one with this index, or behind the last.
    fn write(&mut self, index: u32, kind: u8, next: u32, part: &[u8]) {
        if u64::from(index) == self.slots.count() {
            let link = next.to_le_bytes();
            return self.slots.push(&Slot([&[kind], &link[..], part].concat()));
        }
        let mut head = [0; MAX_PREFIX + HEAD];
        let head = &mut head[..Slot::<SIZE>::PREFIX + HEAD];
        let (length, rest) = head.split_at_mut(Slot::<SIZE>::PREFIX);
        length.copy_from_slice(&(HEAD + part.len()).to_le_bytes()[..Slot::<SIZE>::PREFIX]);
        rest[0] = kind;
        rest[1..].copy_from_slice(&next.to_le_bytes());
        self.slots.write(index, 0, head);
        self.slots.write(index, head.len(), part);
    }

    /// The indexes of a record's slots, in their order.
    fn slots_of(&self, id: RecordId) -> Vec<u32> {
        let mut indexes = Vec::new();
        let mut heads = [0; MAX_PREFIX + HEAD];
        let heads = &mut heads[..Slot::<SIZE>::PREFIX + HEAD];
        self.for_each_slot(id, heads, |index, _| indexes.push(index));
        indexes
    }

    /// Reads as much of each slot of a record as `bytes` has place for, and calls `visit` with the
    /// slot's index and these bytes.
    fn for_each_slot(&self, id: RecordId, bytes: &mut [u8], mut visit: impl FnMut(u32, &[u8])) {
        let (mut index, mut expected) = (id, FIRST);
        // The bound ends a damaged list that is circular.
        for _ in 0..self.slots.count() {
            if u64::from(index) >= self.slots.count() {
                corrupt();
            }
            self.slots.read(index, bytes);
            let (length, slot) = bytes.split_at(Slot::<SIZE>::PREFIX);
            let is_free = length.iter().all(|byte| *byte == 0);
            match fields(slot) {
                Some((kind, next, _)) if kind == expected && !is_free => {
                    visit(index, bytes);
                    if next == LAST {
                        return;
                    }
                    (index, expected) = (next, FURTHER);
                }
                Some(_) | None => corrupt(),
            }
        }
        corrupt()
    }
}

fn corrupt() -> ! {
    record::corrupt("its slots do not belong together")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::stable::memory;

    type Texts = RecordStore<String, 16>;

    /// Opens a store of texts. Answers its records, too.
    fn open(memory: u8) -> (Texts, BTreeMap<RecordId, String>) {
        let mut records = BTreeMap::new();
        let store = Texts::open(memory, |id, text| {
            records.insert(id, record::decode(text));
        });
        (store, records)
    }

    proptest! {
        /// Against a map of texts: records grow, shrink and go, and the others do not change.
        #[test]
        fn records_keep_their_ids_and_values(
            changes in prop::collection::vec((0..8usize, 0..60usize), 1..80)
        ) {
            memory::forget();
            let (mut store, _) = open(0);
            let mut model: BTreeMap<usize, (RecordId, String)> = BTreeMap::new();
            for (number, length) in changes {
                let before = model.remove(&number).map(|(id, _)| id);
                if length == 0 {
                    before.into_iter().for_each(|id| store.remove(id));
                } else {
                    let text = number.to_string().repeat(length);
                    let id = store.put(before, &text);
                    prop_assert!(before.is_none_or(|before| before == id), "an id changed");
                    model.insert(number, (id, text));
                }
                for (id, text) in model.values() {
                    prop_assert_eq!(&store.get(*id), text);
                }
                let (again, records) = open(0);
                prop_assert_eq!(records, model.values().cloned().collect());
                let slots = |text: &String| record::encode(text).len().div_ceil(11);
                let used: usize = model.values().map(|(_, text)| slots(text)).sum();
                let all = again.slots.count() as usize;
                prop_assert_eq!(all, used + again.free.len(), "a slot is lost");
            }
        }
    }

    #[test]
    fn free_slots_are_used_before_the_store_grows() {
        memory::forget();
        let (mut store, _) = open(0);
        let long = "x".repeat(50);
        let ids = [(); 3].map(|()| store.put(None, &long));
        let before = store.slots.count();
        store.remove(ids[1]);
        store.put(None, &long);
        assert_eq!(store.slots.count(), before);
    }

    #[test]
    #[should_panic(expected = "corrupt record")]
    fn a_circular_list_of_slots_is_an_error() {
        memory::forget();
        let (mut store, _) = open(0);
        let id = store.put(None, &"x".repeat(25));
        store.write(1, FURTHER, 1, b"x");
        store.get(id);
    }
}
