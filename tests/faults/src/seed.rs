//! Members that are only on record: root can't tell them from others, and a machine need not hold a hundred thousand canisters.

use crate::{World, measure, world::controller};
use candid::Principal;
use canic::api::{Denied, MembersFilter, MembersPage, MembersRequest};
use ic_stable_structures::{
    Storable, Vec as StableVec, VectorMemory,
    memory_manager::{MemoryId, MemoryManager},
    storable::Bound,
};
use std::{borrow::Cow, cell::RefCell, rc::Rc};

/// The memory of root in which the members' records lie, and the size of their pieces (`canic-runtime/src/shelf.rs`).
const MEMBERS: u8 = 218;
const PIECE: u32 = 96;

/// Each piece says first what it is, and which one comes next.
const HEAD: usize = 5;
const FIRST: u8 = 1;
const LAST: u32 = u32::MAX;

struct Piece(Vec<u8>);

impl Storable for Piece {
    const BOUND: Bound = Bound::Bounded {
        max_size: PIECE,
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

/// Puts the members of these numbers on record in a root that has one already, by writing its stable memory, and upgrades it.
///
/// # Panics
/// When root's stable memory is not as expected.
pub(crate) fn seed(world: &mut World, numbers: std::ops::Range<usize>) {
    let most = numbers.end as u64;
    let stable = world.replica.stable_memory(world.root);
    let raw: VectorMemory = Rc::new(RefCell::new(stable.expect("root is there")));
    let manager = MemoryManager::init(raw.clone());
    let pieces: StableVec<Piece, _> = StableVec::init(manager.get(MemoryId::new(MEMBERS)));
    let (record, model) = first_record(&pieces);
    let key = measure::key(model_number(&record));
    for number in numbers {
        let (canister, own_key) = (nobody(number), measure::key(number));
        let record = replaced(&record, model.as_slice(), canister.as_slice());
        let record = replaced(&record, key.as_bytes(), own_key.as_bytes());
        let parts = record.chunks(PIECE as usize - HEAD);
        let last = pieces.len() as u32 + parts.len() as u32 - 1;
        for (index, part) in parts.enumerate() {
            let at = pieces.len() as u32;
            let next = if at == last { LAST } else { at + 1 };
            let kind = if index == 0 { FIRST } else { FIRST + 1 };
            let piece = [&[kind][..], &next.to_le_bytes(), part].concat();
            pieces.push(&Piece(piece));
        }
    }
    let stable = raw.take();
    let written = world.replica.set_stable_memory(world.root, stable);
    written.expect("root has a module");
    world.upgrade_root().expect("root can be upgraded");
    let request = MembersRequest {
        filter: MembersFilter::All,
        after: None,
        limit: 1,
    };
    let page: Result<MembersPage, Denied> = world.ask(controller(), "canic_members", (request,));
    assert_eq!(page.expect("a list").total, most, "root knows them");
}

/// The record that lies first, and whose it is.
fn first_record(
    pieces: &StableVec<Piece, impl ic_stable_structures::Memory>,
) -> (Vec<u8>, Principal) {
    let mut record = Vec::new();
    let mut at = 0;
    while at != LAST {
        let Piece(piece) = pieces.get(at.into()).expect("a member is on record");
        at = u32::from_le_bytes(piece[1..HEAD].try_into().expect("4 bytes"));
        record.extend_from_slice(&piece[HEAD..]);
    }
    // It begins with the canister's id: an array, then bytes and how many.
    let length = usize::from(record[1] & 0x1f);
    let canister = Principal::from_slice(&record[2..2 + length]);
    (record, canister)
}

/// The number in a record's key.
fn model_number(record: &[u8]) -> usize {
    let word = measure::key(0);
    let (word, digits) = word.split_at(word.len() - measure::DIGITS);
    let at = position(record, word.as_bytes()) + word.len();
    let digits = &record[at..at + digits.len()];
    let digits = std::str::from_utf8(digits).expect("digits");
    digits.parse().expect("a number")
}

/// An id that no canister has.
fn nobody(number: usize) -> Principal {
    let number = (1 << 56) + number as u64;
    Principal::from_slice(&[&number.to_be_bytes()[..], &[1, 1]].concat())
}

fn replaced(record: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let at = position(record, old);
    [&record[..at], new, &record[at + old.len()..]].concat()
}

fn position(record: &[u8], part: &[u8]) -> usize {
    let at = record.windows(part.len()).position(|window| window == part);
    at.expect("the record has it")
}
