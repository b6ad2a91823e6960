//! Earlier layouts of root's stable memory: what they kept where, and how it comes to where it is kept now.
//!
//! Until layout 3 there was a sorted table for each index. What lies in those tables stays there, unused: a memory can't be
//! given back.

use crate::{
    books::Books,
    journal::Operation,
    memory::{self, Cycles, Id, Memory, Record},
    registry::Member,
};
use candid::Principal;
use ic_stable_structures::StableBTreeMap;
use minicbor::{Decode, Encode};

const MEMBERS: u8 = 200;
const POOL: u8 = 205;
const OPERATIONS: u8 = 207;

type Table<K, V> = StableBTreeMap<K, Record<V>, Memory>;

/// A canister of the pool. Whether it is claimed follows from the operations.
#[derive(Encode, Decode)]
struct Entry {
    #[n(0)]
    canister: Id,
    #[n(1)]
    cycles: Cycles,
    #[n(2)]
    since: u64,
}

/// Takes everything over from layouts 1 to 3.
pub(crate) fn take_over(books: &mut Books) {
    let operations: Table<(u8, u64), Operation> = open(OPERATIONS);
    for row in operations.iter() {
        books.journal.put(row.value().0);
    }
    let members: Table<Principal, Member> = open(MEMBERS);
    for row in members.iter() {
        books.registry.take_over(*row.key(), row.value().0);
    }
    let pool: Table<(u8, u64), Entry> = open(POOL);
    let mut entries: Vec<(u64, Entry)> = pool
        .iter()
        .map(|row| (row.key().1, row.value().0))
        .collect();
    // In the order of their arrival, be they claimed or not.
    entries.sort_by_key(|(number, _)| *number);
    for (_, entry) in entries {
        books
            .pool
            .put_ready(entry.canister.0, entry.cycles.0, entry.since);
    }
}

fn open<K, V>(id: u8) -> Table<K, V>
where
    K: ic_stable_structures::Storable + Ord + Clone,
    V: Encode<()> + for<'a> Decode<'a, ()>,
{
    StableBTreeMap::init(memory::open(id))
}
