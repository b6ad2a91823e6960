//! The pool: empty canisters that root controls, ready to be given a role.
//!
//! A canister that an operation takes is *claimed*: it stays in the pool until the operation ends. Which ones are claimed is
//! not on record here: they are those that an open operation holds. All entries are on the heap as well, so that claiming
//! one writes nothing but the operation.

use crate::stable::{
    record::{Cycles, Id},
    record_store::{RecordId, RecordStore},
};
use candid::Principal;
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};

/// A canister of the pool.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Entry {
    #[n(0)]
    pub(crate) canister: Id,
    /// What it held when it came.
    #[n(1)]
    pub(crate) cycles: Cycles,
    #[n(2)]
    pub(crate) since: u64,
    /// Counts those that ever came.
    #[n(3)]
    number: u64,
    /// Cached on the heap only.
    #[cbor(skip)]
    pub(crate) claimed_by: Option<u64>,
}

pub(crate) struct Pool {
    records: RecordStore<Entry, 48>,
    /// By number, in the order of their arrival.
    entries: BTreeMap<u64, (RecordId, Entry)>,
    numbers: BTreeMap<Principal, u64>,
    ready: BTreeSet<u64>,
    demand: Demand,
}

/// Nanoseconds over which demand is counted: ten minutes.
const WINDOW: u64 = 600_000_000_000;

/// How many canisters were wanted: in the present ten minutes, and in those before. Begins anew in each life of the code.
#[derive(Default)]
struct Demand {
    window: u64,
    wanted: u32,
    before: u32,
}

impl Demand {
    fn turn_to(&mut self, window: u64) {
        if window > self.window {
            let next = window == self.window + 1;
            self.before = if next { self.wanted } else { 0 };
            self.wanted = 0;
            self.window = window;
        }
    }
}

impl Pool {
    /// All are ready until it is told who holds one.
    pub(crate) fn open(memory: u8) -> Self {
        let mut all = Vec::new();
        let mut pool = Self {
            records: RecordStore::open(memory, |spot, entry| all.push((spot, entry))),
            entries: BTreeMap::new(),
            numbers: BTreeMap::new(),
            ready: BTreeSet::new(),
            demand: Demand::default(),
        };
        for (spot, entry) in all {
            pool.keep(spot, entry);
        }
        pool
    }

    /// An open operation holds a canister, be it of the pool or not.
    pub(crate) fn mark_claimed(&mut self, canister: Principal, operation: u64) {
        if let Some(number) = self.numbers.get(&canister)
            && let Some((_, entry)) = self.entries.get_mut(number)
        {
            entry.claimed_by = Some(operation);
            self.ready.remove(number);
        }
    }

    /// Somebody wants a canister, whether there is one or not.
    pub(crate) fn record_demand(&mut self, now: u64) {
        self.demand.turn_to(now / WINDOW);
        self.demand.wanted += 1;
    }

    /// How many were wanted lately, within some ten minutes.
    pub(crate) fn demand(&self, now: u64) -> u32 {
        match (now / WINDOW).saturating_sub(self.demand.window) {
            0 => self.demand.wanted.max(self.demand.before),
            1 => self.demand.wanted,
            _ => 0,
        }
    }

    /// Ready and claimed together.
    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn claimed(&self) -> u64 {
        self.len() - self.ready()
    }

    pub(crate) fn ready(&self) -> u64 {
        self.ready.len() as u64
    }

    pub(crate) fn contains(&self, canister: Principal) -> bool {
        self.numbers.contains_key(&canister)
    }

    /// Adds a canister, ready; one that is there already becomes ready again, with what it holds now.
    pub(crate) fn put_ready(&mut self, canister: Principal, cycles: u128, now: u64) {
        let number = self.numbers.get(&canister).copied();
        let spot = number.and_then(|number| Some(self.entries.get(&number)?.0));
        let entry = Entry {
            canister: Id(canister),
            cycles: Cycles(cycles),
            since: now,
            number: number.unwrap_or_else(|| self.next_number()),
            claimed_by: None,
        };
        let spot = self.records.put(spot, &entry);
        self.keep(spot, entry);
    }

    /// The canister that is claimed next.
    pub(crate) fn first_ready(&self) -> Option<&Entry> {
        self.entries
            .get(self.ready.first()?)
            .map(|(_, entry)| entry)
    }

    /// Marks the first ready canister as taken by an operation, which must have it on record before this message ends.
    pub(crate) fn claim(&mut self, operation: u64) -> Option<Entry> {
        let canister = self.first_ready()?.canister.0;
        self.mark_claimed(canister, operation);
        let (_, entry) = self.entries.get(self.numbers.get(&canister)?)?;
        Some(entry.clone())
    }

    /// The canister is no longer empty, or no longer there.
    pub(crate) fn remove(&mut self, canister: Principal) {
        if let Some(number) = self.numbers.remove(&canister)
            && let Some((spot, _)) = self.entries.remove(&number)
        {
            self.ready.remove(&number);
            self.records.remove(spot);
        }
    }

    fn keep(&mut self, spot: RecordId, entry: Entry) {
        self.numbers.insert(entry.canister.0, entry.number);
        self.ready.insert(entry.number);
        self.entries.insert(entry.number, (spot, entry));
    }

    fn next_number(&self) -> u64 {
        self.entries.keys().next_back().map_or(1, |last| last + 1)
    }

    /// The ready ones first: the row number of a page is an entry's place in this order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        let of = |claimed: bool| {
            let entries = self.entries.values().map(|(_, entry)| entry);
            entries.filter(move |entry| entry.claimed_by.is_some() == claimed)
        };
        of(false).chain(of(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stable::memory;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, VecDeque};

    fn canister(n: u8) -> Principal {
        Principal::from_slice(&[n, 1])
    }

    #[derive(Clone, Debug)]
    enum Change {
        Put(u8),
        Claim,
        Remove(u8),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (0..20u8).prop_map(Change::Put),
            Just(Change::Claim),
            (0..20u8).prop_map(Change::Remove),
        ]
    }

    #[test]
    fn demand_is_what_was_wanted_in_the_last_ten_minutes_or_those_before() {
        memory::forget();
        let mut pool = Pool::open(0);
        for _ in 0..3 {
            pool.record_demand(WINDOW);
        }
        assert_eq!(pool.demand(2 * WINDOW - 1), 3);
        pool.record_demand(2 * WINDOW);
        assert_eq!(pool.demand(2 * WINDOW), 3);
        assert_eq!(pool.demand(3 * WINDOW), 1);
        assert_eq!(pool.demand(4 * WINDOW), 0);
        pool.record_demand(9 * WINDOW);
        assert_eq!(pool.demand(9 * WINDOW), 1, "long ago is forgotten");
    }

    proptest! {
        /// Against a queue of ready canisters and a map of claimed ones.
        #[test]
        fn behaves_like_a_queue_with_claims(changes in prop::collection::vec(change(), 1..100)) {
            memory::forget();
            let mut pool = Pool::open(0);
            let mut numbers: BTreeMap<u8, u64> = BTreeMap::new();
            let (mut ready, mut claimed): (VecDeque<u8>, BTreeMap<u8, u64>) = Default::default();
            for (at, change) in changes.into_iter().enumerate() {
                let at = at as u64;
                match change {
                    Change::Put(n) => {
                        pool.put_ready(canister(n), u128::from(n), at);
                        ready.retain(|other| *other != n);
                        claimed.remove(&n);
                        // One that comes back keeps its number, and so its place in the queue.
                        let next = numbers.values().max().map_or(1, |last| last + 1);
                        numbers.entry(n).or_insert(next);
                        ready.push_back(n);
                        ready.make_contiguous().sort_by_key(|n| numbers[n]);
                    }
                    Change::Claim => {
                        let entry = pool.claim(at);
                        let expected = ready.pop_front();
                        prop_assert_eq!(entry.map(|entry| entry.canister.0), expected.map(canister));
                        claimed.extend(expected.map(|n| (n, at)));
                    }
                    Change::Remove(n) => {
                        pool.remove(canister(n));
                        numbers.remove(&n);
                        ready.retain(|other| *other != n);
                        claimed.remove(&n);
                    }
                }
                prop_assert_eq!(pool.ready(), ready.len() as u64);
                prop_assert_eq!(pool.claimed(), claimed.len() as u64);
                prop_assert_eq!(
                    pool.first_ready().map(|entry| entry.canister.0),
                    ready.front().copied().map(canister)
                );
                let rows: BTreeMap<Principal, Option<u64>> =
                    pool.iter().map(|entry| (entry.canister.0, entry.claimed_by)).collect();
                let model: BTreeMap<Principal, Option<u64>> = ready
                    .iter()
                    .map(|n| (canister(*n), None))
                    .chain(claimed.iter().map(|(n, by)| (canister(*n), Some(*by))))
                    .collect();
                prop_assert_eq!(&rows, &model);
                // What is opened again is the same, once it is told who holds what.
                let mut again = Pool::open(0);
                for (n, by) in &claimed {
                    again.mark_claimed(canister(*n), *by);
                }
                again.mark_claimed(canister(99), 1);
                prop_assert!(again.iter().eq(pool.iter()));
            }
        }
    }
}
