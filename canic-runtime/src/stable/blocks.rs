//! The slots of a stable vector, read and written past its header.
//!
//! `ic_stable_structures::Vec` keeps its items in slots of one size behind a header, and reads its
//! length for each access. An upgrade of root that reads 100,000 records, or an operation that
//! writes a few, would spend most of its instructions on that.

use ic_stable_structures::{Memory as _, Storable, Vec as StableVec};

use crate::stable::memory::{self, Memory};

/// Bytes of the header of a stable vector.
const HEADER: u64 = 64;

/// Bytes that one block has at most.
const BLOCK: u64 = 65_536;

/// A stable vector. It grows by itself alone; slots that exist are read and written without it.
pub(crate) struct Slots<T: Storable> {
    vector: StableVec<T, Memory>,
    memory: Memory,
    count: u64,
    /// Bytes of a slot.
    width: usize,
}

impl<T: Storable> Slots<T> {
    /// Opens the vector in a memory. `width`: bytes of a slot.
    pub(crate) fn open(memory: u8, width: usize) -> Self {
        let memory = memory::open(memory);
        let vector: StableVec<T, Memory> = StableVec::init(memory.clone());
        Self {
            count: vector.len(),
            vector,
            memory,
            width,
        }
    }

    /// The number of slots.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Reads the first bytes of a slot. It must exist.
    pub(crate) fn read(&self, index: u32, bytes: &mut [u8]) {
        self.memory.read(self.offset(index), bytes);
    }

    /// Writes bytes into a slot, from this one of its bytes on. It must exist.
    pub(crate) fn write(&self, index: u32, from: usize, bytes: &[u8]) {
        self.memory.write(self.offset(index) + from as u64, bytes);
    }

    /// Adds a slot.
    pub(crate) fn push(&mut self, item: &T) {
        self.vector.push(item);
        self.count += 1;
    }

    fn offset(&self, index: u32) -> u64 {
        HEADER + u64::from(index) * self.width as u64
    }

    /// Calls `visit` with the index and the bytes of each slot, in their order.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(u32, &[u8])) {
        let width = self.width as u64;
        let mut block = Vec::new();
        let mut first = 0;
        while first < self.count {
            let number = (self.count - first).min(BLOCK / width);
            block.resize(number as usize * self.width, 0);
            self.memory.read(HEADER + first * width, &mut block);
            for (index, slot) in (first as u32..).zip(block.chunks_exact(self.width)) {
                visit(index, slot);
            }
            first += number;
        }
    }
}
