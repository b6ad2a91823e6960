//! The pool: empty canisters that root controls, ready to be given a role.
//!
//! A canister that an operation takes is *claimed*: it stays in the pool, marked with the operation, until the
//! operation ends. Ready entries and claimed ones are two ranges of one table, so that finding the next ready
//! canister takes one look-up however many there are.

use crate::memory::{self, Cycles, Id, Memory, Record};
use candid::Principal;
use ic_stable_structures::StableBTreeMap;
use minicbor::{Decode, Encode};

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
    #[n(3)]
    pub(crate) claimed_by: Option<u64>,
}

const READY: u8 = 0;
const CLAIMED: u8 = 1;

pub(crate) struct Pool {
    entries: StableBTreeMap<(u8, u64), Record<Entry>, Memory>,
    /// Which entry a canister has: its number, and whether it is claimed.
    places: StableBTreeMap<Principal, (u8, u64), Memory>,
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
    pub(crate) fn open(entries: u8, places: u8) -> Self {
        Self {
            entries: StableBTreeMap::init(memory::open(entries)),
            places: StableBTreeMap::init(memory::open(places)),
            demand: Demand::default(),
        }
    }

    /// Somebody wants a canister, whether there is one or not.
    pub(crate) fn wanted(&mut self, now: u64) {
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
        self.entries.len()
    }

    pub(crate) fn claimed(&self) -> u64 {
        self.entries.keys_range((CLAIMED, 0)..).count() as u64
    }

    pub(crate) fn ready(&self) -> u64 {
        self.len() - self.claimed()
    }

    pub(crate) fn contains(&self, canister: Principal) -> bool {
        self.places.contains_key(&canister)
    }

    /// Adds a canister, ready; one that is there already becomes ready again, with what it holds now.
    pub(crate) fn put_ready(&mut self, canister: Principal, cycles: u128, now: u64) {
        let number = self.remove(canister).unwrap_or_else(|| self.next_number());
        let entry = Entry {
            canister: Id(canister),
            cycles: Cycles(cycles),
            since: now,
            claimed_by: None,
        };
        self.insert(READY, number, entry);
    }

    /// The canister that is claimed next.
    pub(crate) fn first_ready(&self) -> Option<Entry> {
        let first = self.entries.range((READY, 0)..(CLAIMED, 0)).next()?;
        Some(first.value().0)
    }

    /// Marks the first ready canister as taken by an operation.
    pub(crate) fn claim(&mut self, operation: u64) -> Option<Entry> {
        let (_, number) = self.entries.keys_range((READY, 0)..(CLAIMED, 0)).next()?;
        let mut entry = self.entries.remove(&(READY, number))?.0;
        entry.claimed_by = Some(operation);
        self.insert(CLAIMED, number, entry.clone());
        Some(entry)
    }

    /// The canister is no longer empty, or no longer there. Answers its number in the order of arrival.
    pub(crate) fn remove(&mut self, canister: Principal) -> Option<u64> {
        let place = self.places.remove(&canister)?;
        self.entries.remove(&place);
        Some(place.1)
    }

    fn insert(&mut self, section: u8, number: u64, entry: Entry) {
        self.places.insert(entry.canister.0, (section, number));
        self.entries.insert((section, number), Record(entry));
    }

    fn next_number(&self) -> u64 {
        let last = |section: u8| {
            self.entries
                .keys_range((section, 0)..=(section, u64::MAX))
                .next_back()
                .map_or(0, |(_, number)| number)
        };
        last(READY).max(last(CLAIMED)) + 1
    }

    /// Claimed entries come after the ready ones: the row number of a page is its place in this order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        self.entries.iter().map(|entry| entry.value().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let mut pool = Pool::open(0, 1);
        for _ in 0..3 {
            pool.wanted(WINDOW);
        }
        assert_eq!(pool.demand(2 * WINDOW - 1), 3);
        pool.wanted(2 * WINDOW);
        assert_eq!(pool.demand(2 * WINDOW), 3);
        assert_eq!(pool.demand(3 * WINDOW), 1);
        assert_eq!(pool.demand(4 * WINDOW), 0);
        pool.wanted(9 * WINDOW);
        assert_eq!(pool.demand(9 * WINDOW), 1, "long ago is forgotten");
    }

    proptest! {
        /// Against a queue of ready canisters and a map of claimed ones.
        #[test]
        fn behaves_like_a_queue_with_claims(changes in prop::collection::vec(change(), 1..100)) {
            memory::forget();
            let mut pool = Pool::open(0, 1);
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
                        prop_assert_eq!(pool.remove(canister(n)).is_some(), numbers.remove(&n).is_some());
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
                prop_assert_eq!(rows, model);
            }
        }
    }
}
