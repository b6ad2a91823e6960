//! The schedule: when root looks at each member again, and what it saw at its last look.
//!
//! A member's entry lies at the index of its record, in a table in stable memory. The members are
//! in a binary heap by the time at which they are due, and the heap is in main memory: opening the
//! schedule rebuilds it. The first one costs O(1), a change O(log n). A member takes 24 bytes:
//!
//! ```text
//! table   0       4       8         12     16    heap: its record id (4)
//!         ┌───────┬───────┬─────────┬──────┐     place: its place in the heap (4)
//!         │ due   │looked │ balance │ burn │
//!         └───────┴───────┴─────────┴──────┘
//!          u32, LE u32, LE f32, LE   f32, LE
//! ```
//!
//! Times are in seconds since 1970, amounts in cycles. A `due` of 0 marks a record without an
//! entry.

use std::borrow::Cow;

use ic_stable_structures::{Storable, storable::Bound};

use crate::stable::{blocks::Slots, record_store::RecordId};

/// A member on the schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    /// When root looks at it next: seconds since 1970.
    pub(crate) due: u32,
    /// When root last saw its balance: seconds since 1970.
    pub(crate) looked: u32,
    /// Its balance then, and what root has given it since, in cycles.
    balance: f32,
    /// What it burns in a day, in cycles: 0 if root does not know it yet.
    burn: f32,
}

/// Bytes of an entry in stable memory.
const SIZE: usize = 16;

/// The place of a record that is not in the heap.
const NOWHERE: u32 = u32::MAX;

impl Entry {
    pub(crate) fn new(due: u64, looked: u64, balance: u128, burn: u128) -> Self {
        Self {
            due: seconds(due).max(1),
            looked: seconds(looked),
            balance: balance as f32,
            burn: burn as f32,
        }
    }

    /// Its balance at the last look, and what root has given it since, in cycles. The last of seven
    /// digits is rounded.
    pub(crate) fn balance(&self) -> u128 {
        self.balance as u128
    }

    /// What it burns in a day, in cycles.
    pub(crate) fn burn(&self) -> u128 {
        self.burn as u128
    }

    /// The same entry after a deposit of root.
    pub(crate) fn with_deposit(self, cycles: u128) -> Self {
        Self {
            balance: (self.balance() + cycles) as f32,
            ..self
        }
    }

    /// The same entry, due at another time.
    pub(crate) fn due_at(self, due: u64) -> Self {
        Self {
            due: seconds(due).max(1),
            ..self
        }
    }
}

/// A time in seconds as the table has it: until 2106.
fn seconds(time: u64) -> u32 {
    u32::try_from(time).unwrap_or(u32::MAX)
}

impl Storable for Entry {
    const BOUND: Bound = Bound::Bounded {
        max_size: SIZE as u32,
        is_fixed_size: true,
    };

    fn to_bytes(&self) -> Cow<'_, [u8]> {
        let words = [
            self.due,
            self.looked,
            self.balance.to_bits(),
            self.burn.to_bits(),
        ];
        Cow::Owned(words.map(u32::to_le_bytes).concat())
    }

    fn into_bytes(self) -> Vec<u8> {
        self.to_bytes().into_owned()
    }

    fn from_bytes(bytes: Cow<'_, [u8]>) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |index: usize| words.get(index).map_or(0, |word| u32::from_le_bytes(*word));
        Self {
            due: word(0),
            looked: word(1),
            balance: f32::from_bits(word(2)),
            burn: f32::from_bits(word(3)),
        }
    }
}

/// The members by the time at which root looks at them.
pub(crate) struct Schedule {
    /// The entries. Each level of the heap reads two.
    table: Slots<Entry>,
    /// Record ids; each is due no later than the two below it.
    heap: Vec<RecordId>,
    /// The place of each record in the heap.
    places: Vec<u32>,
}

impl Schedule {
    /// Reads the schedule of these members from stable memory. Members without an entry are left
    /// out until [`Self::put`].
    pub(crate) fn open(memory: u8, members: impl Iterator<Item = RecordId>) -> Self {
        let mut schedule = Self {
            table: Slots::open(memory, SIZE),
            heap: Vec::new(),
            places: Vec::new(),
        };
        let mut is_member = vec![false; schedule.table.count() as usize];
        for id in members {
            if let Some(is_member) = is_member.get_mut(id as usize) {
                *is_member = true;
            }
        }
        let mut due: Vec<(u32, RecordId)> = Vec::new();
        schedule.table.for_each(|id, bytes| {
            let entry = Entry::from_bytes(Cow::Borrowed(bytes));
            if entry.due > 0 && is_member[id as usize] {
                due.push((entry.due, id));
            }
        });
        // A sorted list is a heap.
        due.sort_unstable();
        schedule.heap.reserve_exact(due.len());
        for (_, id) in due {
            let place = schedule.heap.len();
            schedule.heap.push(id);
            schedule.set_place(id, place as u32);
        }
        schedule
    }

    /// The number of members.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// A member's entry.
    pub(crate) fn entry(&self, id: RecordId) -> Option<Entry> {
        if u64::from(id) >= self.table.count() {
            return None;
        }
        let mut bytes = [0; SIZE];
        self.table.read(id, &mut bytes);
        let entry = Entry::from_bytes(Cow::Borrowed(&bytes));
        (entry.due > 0).then_some(entry)
    }

    /// The member that is due first.
    pub(crate) fn first(&self) -> Option<(RecordId, Entry)> {
        let id = *self.heap.first()?;
        Some((id, self.entry(id)?))
    }

    /// All members in no order.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RecordId, Entry)> {
        let all = self.heap.iter();
        all.filter_map(|id| Some((*id, self.entry(*id)?)))
    }

    /// Writes a member's entry.
    pub(crate) fn put(&mut self, id: RecordId, entry: Entry) {
        while self.table.count() <= u64::from(id) {
            self.table.push(&Entry::default());
        }
        self.table.write(id, 0, &entry.to_bytes());
        let place = match self.place(id) {
            Some(place) => place,
            None => {
                reserve(&mut self.heap);
                self.heap.push(id);
                self.heap.len() - 1
            }
        };
        let place = self.lift(place, id, entry.due);
        self.sink(place, id, entry.due);
    }

    /// Removes a member.
    pub(crate) fn remove(&mut self, id: RecordId) {
        let Some(place) = self.place(id) else {
            return;
        };
        self.table.write(id, 0, &Entry::default().to_bytes());
        self.set_place(id, NOWHERE);
        let Some(last) = self.heap.pop().filter(|last| *last != id) else {
            return;
        };
        let due = self.due(last);
        let place = self.lift(place, last, due);
        self.sink(place, last, due);
    }

    /// When a member in the heap is due: the first word of its entry.
    fn due(&self, id: RecordId) -> u32 {
        let mut due = [0; 4];
        self.table.read(id, &mut due);
        u32::from_le_bytes(due)
    }

    fn place(&self, id: RecordId) -> Option<usize> {
        let place = self.places.get(id as usize).copied()?;
        (place != NOWHERE).then_some(place as usize)
    }

    fn set_place(&mut self, id: RecordId, place: u32) {
        let index = id as usize;
        if index >= self.places.len() {
            let more = index + 1 - self.places.len();
            if self.places.capacity() <= index {
                self.places.reserve_exact(more + self.places.len() / 8);
            }
            self.places.resize(index + 1, NOWHERE);
        }
        self.places[index] = place;
    }

    /// Brings a record up from a place, over all that are due later. Answers its new place.
    fn lift(&mut self, mut place: usize, id: RecordId, due: u32) -> usize {
        while place > 0 {
            let above = (place - 1) / 2;
            let other = self.heap[above];
            if self.due(other) <= due {
                break;
            }
            self.heap[place] = other;
            self.set_place(other, place as u32);
            place = above;
        }
        self.heap[place] = id;
        self.set_place(id, place as u32);
        place
    }

    /// Brings a record down from a place, below all that are due earlier.
    fn sink(&mut self, mut place: usize, id: RecordId, due: u32) {
        loop {
            let below = 2 * place + 1;
            let children = below..self.heap.len().min(below + 2);
            let Some((first, child)) = children
                .map(|child| (self.due(self.heap[child]), child))
                .min()
                .filter(|(first, _)| *first < due)
            else {
                break;
            };
            debug_assert!(first < due);
            let other = self.heap[child];
            self.heap[place] = other;
            self.set_place(other, place as u32);
            place = child;
        }
        self.heap[place] = id;
        self.set_place(id, place as u32);
    }
}

/// Makes room for one more, without doubling the whole.
fn reserve(all: &mut Vec<RecordId>) {
    if all.len() == all.capacity() {
        all.reserve_exact(all.len() / 8 + 16);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::stable::memory;

    const MEMORY: u8 = 212;

    fn fresh() -> Schedule {
        memory::forget();
        Schedule::open(MEMORY, [].into_iter())
    }

    fn entry(due: u32) -> Entry {
        Entry::new(due.into(), 5, 7_000_000, 11)
    }

    #[test]
    fn a_member_takes_24_bytes() {
        let [table, heap, place] = [SIZE, size_of::<RecordId>(), size_of::<u32>()];
        assert_eq!(table + heap + place, 24);
        assert_eq!(entry(1).to_bytes().len(), SIZE);
        let mut schedule = fresh();
        for id in 0..100_000 {
            schedule.put(id, entry(id + 1));
        }
        let heap = schedule.heap.capacity() + schedule.places.capacity();
        assert!(heap * 4 <= 100_000 * 8 * 9 / 8 + 1_000, "{heap}");
    }

    #[test]
    fn amounts_and_times_survive_in_seven_digits() {
        let entry = Entry::new(1_900_000_000, 1_800_000_000, 1_234_567_890_123, 864_123_456);
        let again = Entry::from_bytes(entry.to_bytes());
        assert_eq!(again, entry);
        assert!(again.balance().abs_diff(1_234_567_890_123) < 100_000);
        assert!(again.burn().abs_diff(864_123_456) < 100);
        assert_eq!((again.due, again.looked), (1_900_000_000, 1_800_000_000));
    }

    proptest! {
        #[test]
        fn the_schedule_agrees_with_a_sorted_list(
            deeds in prop::collection::vec((0_u32..40, 0_u32..50), 1..200),
        ) {
            let mut schedule = fresh();
            let mut expected: BTreeMap<RecordId, u32> = BTreeMap::new();
            for (id, due) in deeds {
                if due == 0 {
                    schedule.remove(id);
                    expected.remove(&id);
                } else {
                    schedule.put(id, entry(due));
                    expected.insert(id, due);
                }
                prop_assert_eq!(schedule.len(), expected.len());
                let first = schedule.first().map(|(_, entry)| entry.due);
                prop_assert_eq!(first, expected.values().min().copied());
                // The same after an upgrade.
                let again = Schedule::open(MEMORY, expected.keys().copied());
                let mut all: Vec<_> = again.iter().map(|(id, entry)| (id, entry.due)).collect();
                all.sort_unstable();
                prop_assert_eq!(all, expected.clone().into_iter().collect::<Vec<_>>());
            }
            let mut sorted = Vec::new();
            while let Some((id, entry)) = schedule.first() {
                sorted.push(entry.due);
                schedule.remove(id);
            }
            prop_assert!(sorted.is_sorted());
            prop_assert_eq!(sorted.len(), expected.len());
        }
    }
}
