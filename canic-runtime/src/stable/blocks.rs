//! Reads all slots of a stable vector, in blocks.
//!
//! `ic_stable_structures::Vec` keeps its items in slots of one size behind a header, and reads its
//! length and the item for each `get`. An upgrade of root that reads 100,000 records so spends most
//! of its instructions on that.

use ic_stable_structures::Memory as _;

use crate::stable::memory::Memory;

/// Bytes of the header of a stable vector.
pub(crate) const HEADER: u64 = 64;

/// Bytes that one block has at most.
const BLOCK: u64 = 65_536;

/// Calls `visit` with the index and the bytes of the first `count` slots of a stable vector, in
/// their order. `size`: bytes of a slot.
pub(crate) fn for_each_slot(
    memory: &Memory,
    count: u64,
    size: usize,
    mut visit: impl FnMut(u32, &[u8]),
) {
    let width = size as u64;
    let mut block = Vec::new();
    let mut first = 0;
    while first < count {
        let number = (count - first).min(BLOCK / width);
        block.resize(number as usize * size, 0);
        memory.read(HEADER + first * width, &mut block);
        for (index, slot) in (first as u32..).zip(block.chunks_exact(size)) {
            visit(index, slot);
        }
        first += number;
    }
}
