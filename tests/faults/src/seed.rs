//! Members that exist in root's records only. Root can't tell them from others, and the machine
//! need not hold a hundred thousand canisters.

use std::{borrow::Cow, cell::RefCell, ops::Range, rc::Rc};

use candid::Principal;
use canic::api::{Denied, MembersFilter, MembersPage, MembersRequest};
use ic_stable_structures::{
    Memory, Storable, Vec as StableVec, VectorMemory,
    memory_manager::{MemoryId, MemoryManager},
    storable::Bound,
};

use crate::{World, measure, world::controller};

/// The id of root's memory with the members' records (`canic-runtime/src/state/mod.rs`).
const MEMBERS: u8 = 202;

/// The size of the slots of these records (`canic-runtime/src/state/registry.rs`).
const SLOT: u32 = 96;

// A slot begins with its kind and the index of the record's next slot: see the figure in
// `canic-runtime/src/stable/record_store.rs`.
const HEAD: usize = 5;
const FIRST: u8 = 1;
const FURTHER: u8 = 2;
const LAST: u32 = u32::MAX;

struct Slot(Vec<u8>);

impl Storable for Slot {
    const BOUND: Bound = Bound::Bounded {
        max_size: SLOT,
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

/// Adds members with these numbers to the records of a root that has one member already: writes
/// root's stable memory, and upgrades root.
///
/// # Panics
/// When root's stable memory has another layout.
pub(crate) fn seed(world: &mut World, numbers: Range<usize>) {
    let most = numbers.end as u64;
    let stable = world.replica.stable_memory(world.root);
    let raw: VectorMemory = Rc::new(RefCell::new(stable.expect("root exists")));
    let manager = MemoryManager::init(raw.clone());
    let slots: StableVec<Slot, _> = StableVec::init(manager.get(MemoryId::new(MEMBERS)));
    let (record, model) = first_record(&slots);
    let key = measure::key(model_number(&record));
    for number in numbers {
        let (canister, own_key) = (unused_id(number), measure::key(number));
        let record = replace(&record, model.as_slice(), canister.as_slice());
        let record = replace(&record, key.as_bytes(), own_key.as_bytes());
        let parts = record.chunks(SLOT as usize - HEAD);
        let last = slots.len() as u32 + parts.len() as u32 - 1;
        for (index, part) in parts.enumerate() {
            let at = slots.len() as u32;
            let next = if at == last { LAST } else { at + 1 };
            let kind = if index == 0 { FIRST } else { FURTHER };
            let slot = [&[kind][..], &next.to_le_bytes(), part].concat();
            slots.push(&Slot(slot));
        }
    }
    let stable = raw.take();
    let root = world.root;
    let written = world.replica.set_stable_memory(root, stable);
    written.expect("root has a module");
    world.upgrade_root().expect("root can be upgraded");
    let request = MembersRequest {
        filter: MembersFilter::All,
        after: None,
        limit: 1,
    };
    let page: Result<MembersPage, Denied> = world.ask(controller(), "canic_members", (request,));
    assert_eq!(page.expect("a page").total, most, "root lists all members");
}

/// The record in the first slot, and its member.
fn first_record(slots: &StableVec<Slot, impl Memory>) -> (Vec<u8>, Principal) {
    let mut record = Vec::new();
    let mut at = 0;
    while at != LAST {
        let Slot(slot) = slots.get(at.into()).expect("a member is on record");
        at = u32::from_le_bytes(slot[1..HEAD].try_into().expect("4 bytes"));
        record.extend_from_slice(&slot[HEAD..]);
    }
    // It begins with the canister's id: the heads of an array and of a byte string, then the bytes.
    let length = usize::from(record[1] & 0x1f);
    let canister = Principal::from_slice(&record[2..2 + length]);
    (record, canister)
}

/// The number in a record's key.
fn model_number(record: &[u8]) -> usize {
    let word = measure::key(0);
    let (word, digits) = word.split_at(word.len() - measure::DIGITS);
    let at = offset(record, word.as_bytes()) + word.len();
    let digits = &record[at..at + digits.len()];
    let digits = std::str::from_utf8(digits).expect("digits");
    digits.parse().expect("a number")
}

/// An id that no canister has.
fn unused_id(number: usize) -> Principal {
    let number = (1 << 56) + number as u64;
    Principal::from_slice(&[&number.to_be_bytes()[..], &[1, 1]].concat())
}

fn replace(record: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let at = offset(record, old);
    [&record[..at], new, &record[at + old.len()..]].concat()
}

fn offset(record: &[u8], part: &[u8]) -> usize {
    let at = record.windows(part.len()).position(|window| window == part);
    at.expect("the record has it")
}
