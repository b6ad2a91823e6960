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

use std::{borrow::Cow, marker::PhantomData};

use ic_stable_structures::{Storable, Vec as StableVec, storable::Bound};

use crate::stable::{
    blocks,
    memory::{self, Memory},
    record,
};

/// The index of a record's first slot.
pub(crate) type RecordId = u32;

/// The bytes of a slot's kind and of its link to the next slot.
const HEAD: usize = 5;

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
    slots: StableVec<Slot<SIZE>, Memory>,
    free: Vec<u32>,
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
        let memory = memory::open(memory);
        let mut store = Self {
            slots: StableVec::init(memory.clone()),
            free: Vec::new(),
            records: PhantomData,
        };
        let (mut free, count) = (Vec::new(), store.slots.len());
        let size = Slot::<SIZE>::PREFIX + SIZE as usize;
        blocks::for_each_slot(&memory, count, size, |index, bytes| {
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
        self.for_each_slot(id, |_, part| record.extend_from_slice(part));
        record
    }

    /// Writes a record: over the one with this id, or as a new one. Answers its id, which never
    /// changes.
    ///
    /// # Panics
    ///
    /// If stable memory is damaged, or can't grow. The trap keeps it as it is.
    pub(crate) fn put(&mut self, id: Option<RecordId>, record: &T) -> RecordId {
        let record = record::encode(record);
        let mut indexes = id.map_or_else(Vec::new, |id| self.slots_of(id));
        let parts = record.chunks(SIZE as usize - HEAD);
        for index in indexes.drain(parts.len().min(indexes.len())..) {
            self.clear(index);
        }
        let mut end = self.slots.len() as u32;
        while indexes.len() < parts.len() {
            indexes.push(self.free.pop().unwrap_or_else(|| {
                end += 1;
                end - 1
            }));
        }
        for (number, part) in parts.enumerate() {
            let kind = if number == 0 { FIRST } else { FURTHER };
            let next = indexes.get(number + 1).unwrap_or(&LAST);
            let mut slot = Vec::with_capacity(HEAD + part.len());
            slot.push(kind);
            slot.extend_from_slice(&next.to_le_bytes());
            slot.extend_from_slice(part);
            self.write(indexes[number], Slot(slot));
        }
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
        self.write(index, Slot(Vec::new()));
        self.free.push(index);
    }

    fn write(&self, index: u32, slot: Slot<SIZE>) {
        if u64::from(index) == self.slots.len() {
            self.slots.push(&slot);
        } else {
            self.slots.set(index.into(), &slot);
        }
    }

    fn slot(&self, index: u32) -> Slot<SIZE> {
        match self.slots.get(index.into()) {
            Some(slot) => slot,
            None => corrupt(),
        }
    }

    /// The indexes of a record's slots, in their order.
    fn slots_of(&self, id: RecordId) -> Vec<u32> {
        let mut indexes = Vec::new();
        self.for_each_slot(id, |index, _| indexes.push(index));
        indexes
    }

    /// Calls `visit` with the index and the part of each slot of a record.
    fn for_each_slot(&self, id: RecordId, mut visit: impl FnMut(u32, &[u8])) {
        let (mut index, mut expected) = (id, FIRST);
        // The bound ends a damaged list that is circular.
        for _ in 0..self.slots.len() {
            match fields(&self.slot(index).0) {
                Some((kind, next, part)) if kind == expected => {
                    visit(index, part);
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
                let all = again.slots.len() as usize;
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
        let before = store.slots.len();
        store.remove(ids[1]);
        store.put(None, &long);
        assert_eq!(store.slots.len(), before);
    }

    #[test]
    #[should_panic(expected = "corrupt record")]
    fn a_circular_list_of_slots_is_an_error() {
        memory::forget();
        let (mut store, _) = open(0);
        let id = store.put(None, &"x".repeat(25));
        let mut further = store.slot(1);
        further.0[1..HEAD].copy_from_slice(&1u32.to_le_bytes());
        store.write(1, further);
        store.get(id);
    }
}
