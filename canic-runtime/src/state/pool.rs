//! The pool: empty canisters that root controls, ready for a role.
//!
//! A canister that an operation takes is *claimed*: it stays in the pool until the operation ends.
//! Claims are not on record here: a canister is claimed while an open operation holds it. All
//! entries are cached on the heap, so a claim writes the operation's record and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use candid::Principal;
use minicbor::{Decode, Encode};

use crate::{
    operation::{Operation, Origin, Refusals, blame},
    stable::{
        record::{self, Cycles, Id},
        record_store::{RecordId, RecordStore},
    },
};

/// A canister of the pool. In stable memory it is a CBOR array:
///
/// ```text
/// 0 canister   1 cycles [high, low]   2 since   3 number   4 refusals
/// ```
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Entry {
    #[n(0)]
    pub(crate) canister: Id,
    /// The canister's balance when it was added, in cycles.
    #[n(1)]
    pub(crate) cycles: Cycles,
    /// Time at which the canister was added: nanoseconds since the epoch.
    #[n(2)]
    pub(crate) since: u64,
    /// The entry's number: the pool is a queue in the order of these.
    #[n(3)]
    number: u64,
    /// The provisions that the platform refused on the canister, if it refused the last one.
    #[n(4)]
    pub(crate) refusals: Option<Refusals>,
    /// The operation that claimed the canister. On the heap only.
    #[cbor(skip)]
    pub(crate) claimed_by: Option<u64>,
}

/// All canisters of the pool.
pub(crate) struct Pool {
    records: RecordStore<Entry, 48>,
    /// All entries with their record ids, by number.
    entries: BTreeMap<u64, (RecordId, Entry)>,
    numbers: BTreeMap<Principal, u64>,
    ready: BTreeSet<u64>,
    demand: Demand,
    /// No canister is blamed before this time: nanoseconds since the epoch. An upgrade resets it.
    spared_until: u64,
}

/// Nanoseconds of a window of demand: ten minutes.
const WINDOW: u64 = 600_000_000_000;

/// The demand for canisters in the present window and in the one before. An upgrade resets it.
#[derive(Default)]
struct Demand {
    /// The number of the present window.
    window: u64,
    /// Demands in the present window.
    count: u32,
    /// Demands in the window before.
    previous: u32,
}

impl Demand {
    /// Begins a window, unless it is the present one.
    fn advance_to(&mut self, window: u64) {
        if window > self.window {
            let next = window == self.window + 1;
            self.previous = if next { self.count } else { 0 };
            self.count = 0;
            self.window = window;
        }
    }
}

impl Pool {
    /// Reads the pool from stable memory. All canisters are ready until [`Self::mark_claimed`].
    pub(crate) fn open(memory: u8) -> Self {
        let mut all = Vec::new();
        let mut pool = Self {
            records: RecordStore::open(memory, |record_id, entry| {
                all.push((record_id, record::decode(entry)));
            }),
            entries: BTreeMap::new(),
            numbers: BTreeMap::new(),
            ready: BTreeSet::new(),
            demand: Demand::default(),
            spared_until: 0,
        };
        for (record_id, entry) in all {
            pool.cache(record_id, entry);
        }
        pool
    }

    /// Marks a canister as claimed by an operation. Does nothing if the canister is not in the
    /// pool.
    pub(crate) fn mark_claimed(&mut self, canister: Principal, operation: u64) {
        if let Some(number) = self.numbers.get(&canister)
            && let Some((_, entry)) = self.entries.get_mut(number)
        {
            entry.claimed_by = Some(operation);
            self.ready.remove(number);
        }
    }

    /// Records the demand for one canister, whether the pool has a ready one or not.
    pub(crate) fn record_demand(&mut self, now: u64) {
        self.demand.advance_to(now / WINDOW);
        self.demand.count += 1;
    }

    /// Takes a demand back: the canister came back, or there was none.
    pub(crate) fn retract_demand(&mut self, now: u64) {
        self.demand.advance_to(now / WINDOW);
        let Demand {
            count, previous, ..
        } = &mut self.demand;
        let latest = if *count > 0 { count } else { previous };
        *latest = latest.saturating_sub(1);
    }

    /// Blames the canister of a provision that the platform refused: a claimed one counts it. If
    /// the canister is new, canisters are not to blame for a while.
    pub(crate) fn blame(&mut self, op: &mut Operation, now: u64) {
        match op.source {
            Some(Origin::Fresh) => self.spared_until = now + blame::SPARED,
            Some(Origin::Pool) if self.spared_until <= now => blame::note_refusal(op),
            Some(Origin::Pool | Origin::Imported) | None => {}
        }
    }

    /// Blames canisters again: an install succeeded.
    pub(crate) fn end_sparing(&mut self) {
        self.spared_until = 0;
    }

    /// The recent demand: the larger count of the last two windows.
    pub(crate) fn demand(&self, now: u64) -> u32 {
        match (now / WINDOW).saturating_sub(self.demand.window) {
            0 => self.demand.count.max(self.demand.previous),
            1 => self.demand.count,
            _ => 0,
        }
    }

    /// The number of canisters, ready and claimed.
    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The number of claimed canisters.
    pub(crate) fn claimed_count(&self) -> u64 {
        self.len() - self.ready_count()
    }

    /// The number of ready canisters.
    pub(crate) fn ready_count(&self) -> u64 {
        self.ready.len() as u64
    }

    /// The ready canisters, in the order of the queue.
    pub(crate) fn ready_entries(&self) -> impl Iterator<Item = &Entry> {
        let ready = self.ready.iter();
        ready.filter_map(|number| self.entries.get(number).map(|(_, entry)| entry))
    }

    /// Notes the balance that root saw of a canister.
    pub(crate) fn set_balance(&mut self, canister: Principal, cycles: u128) {
        if let Some(number) = self.numbers.get(&canister)
            && let Some((record_id, entry)) = self.entries.get_mut(number)
        {
            entry.cycles = Cycles(cycles);
            self.records.put(Some(*record_id), entry);
        }
    }

    pub(crate) fn contains(&self, canister: Principal) -> bool {
        self.numbers.contains_key(&canister)
    }

    /// Adds a ready canister. A canister of the pool becomes ready again, with its present balance.
    /// It keeps its place in the queue, unless the platform refused it.
    pub(crate) fn put_ready(
        &mut self,
        canister: Principal,
        cycles: u128,
        refusals: Option<Refusals>,
        now: u64,
    ) {
        let old = self.numbers.get(&canister).copied();
        let number = old.filter(|_| refusals.is_none());
        let number = number.unwrap_or_else(|| self.next_number());
        let old = old.and_then(|old| {
            self.ready.remove(&old);
            self.entries.remove(&old)
        });
        let entry = Entry {
            canister: Id(canister),
            cycles: Cycles(cycles),
            since: now,
            number,
            refusals,
            claimed_by: None,
        };
        let record_id = old.map(|(record_id, _)| record_id);
        let record_id = self.records.put(record_id, &entry);
        self.cache(record_id, entry);
    }

    /// The canister of the next claim.
    pub(crate) fn first_ready(&self) -> Option<&Entry> {
        self.entries
            .get(self.ready.first()?)
            .map(|(_, entry)| entry)
    }

    /// Claims the first ready canister for an operation. The caller puts the operation on record
    /// with the canister in the same message.
    pub(crate) fn claim(&mut self, operation: u64) -> Option<Entry> {
        let canister = self.first_ready()?.canister.0;
        self.mark_claimed(canister, operation);
        let (_, entry) = self.entries.get(self.numbers.get(&canister)?)?;
        Some(entry.clone())
    }

    /// Removes a canister that is no longer empty, or no longer exists.
    pub(crate) fn remove(&mut self, canister: Principal) {
        if let Some(number) = self.numbers.remove(&canister)
            && let Some((record_id, _)) = self.entries.remove(&number)
        {
            self.ready.remove(&number);
            self.records.remove(record_id);
        }
    }

    /// Adds an entry with its record to the cache.
    fn cache(&mut self, record_id: RecordId, entry: Entry) {
        self.numbers.insert(entry.canister.0, entry.number);
        self.ready.insert(entry.number);
        self.entries.insert(entry.number, (record_id, entry));
    }

    fn next_number(&self) -> u64 {
        self.entries.keys().next_back().map_or(1, |last| last + 1)
    }

    /// All entries, ready ones first. A page's row number is an entry's position in this order.
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
    use std::collections::{BTreeMap, VecDeque};

    use proptest::prelude::*;

    use super::*;
    use crate::stable::{memory, record};

    fn canister(n: u8) -> Principal {
        Principal::from_slice(&[n, 1])
    }

    #[derive(Clone, Debug)]
    enum Change {
        /// A canister, and whether the platform refused it.
        Put(u8, bool),
        Claim,
        Remove(u8),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (0..20u8, any::<bool>()).prop_map(|(n, refused)| Change::Put(n, refused)),
            Just(Change::Claim),
            (0..20u8).prop_map(Change::Remove),
        ]
    }

    #[test]
    fn demand_is_the_larger_count_of_the_last_two_windows() {
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
        assert_eq!(pool.demand(9 * WINDOW), 1, "older windows do not count");
    }

    #[test]
    fn a_record_of_an_earlier_version_has_no_refusals() {
        #[derive(Encode)]
        struct Before(#[n(0)] Id, #[n(1)] Cycles, #[n(2)] u64, #[n(3)] u64);
        let before = Before(Id(canister(1)), Cycles(2), 3, 4);
        let entry: Entry = record::decode(&record::encode(&before));
        assert_eq!((entry.number, entry.refusals), (4, None));
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
                    Change::Put(n, refused) => {
                        let refusals = refused.then(|| Refusals {
                            count: 1,
                            reason: "no".to_string(),
                        });
                        pool.put_ready(canister(n), u128::from(n), refusals, at);
                        ready.retain(|other| *other != n);
                        claimed.remove(&n);
                        // A canister that is added again keeps its number and its position,
                        // unless it was refused.
                        let next = numbers.values().max().map_or(1, |last| last + 1);
                        let number = numbers.entry(n).or_insert(next);
                        if refused {
                            *number = next;
                        }
                        ready.push_back(n);
                        ready.make_contiguous().sort_by_key(|n| numbers[n]);
                    }
                    Change::Claim => {
                        let entry = pool.claim(at);
                        let expected = ready.pop_front();
                        let claimed_canister = entry.map(|entry| entry.canister.0);
                        prop_assert_eq!(claimed_canister, expected.map(canister));
                        claimed.extend(expected.map(|n| (n, at)));
                    }
                    Change::Remove(n) => {
                        pool.remove(canister(n));
                        numbers.remove(&n);
                        ready.retain(|other| *other != n);
                        claimed.remove(&n);
                    }
                }
                prop_assert_eq!(pool.ready_count(), ready.len() as u64);
                prop_assert_eq!(pool.claimed_count(), claimed.len() as u64);
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
                // The pool that stable memory gives back is the same once its claims are marked.
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
