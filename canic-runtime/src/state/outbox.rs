//! The outbox: changes of members that subscribers have not acknowledged.
//!
//! Every change has a number. A subscriber gets its changes in order, several at once, and a change
//! stays on record until the subscriber acknowledges it. A subscriber that is down misses
//! nothing. If it is down for long, root drops its changes, and it catches up by pages.
//!
//! A member that asks root about another member holds a lease on the answer for [`LEASE`]. Until
//! the lease ends, root announces changes of the other member to the holder, too.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
};

use candid::Principal;
use ic_stable_structures::StableBTreeMap;
use minicbor::{Decode, Encode};

use crate::{
    api::{Announcement, Change, LEASE, MemberRef},
    operation::Position,
    stable::{
        memory::{self, Memory},
        record::{Id, Record},
    },
};

/// Changes in one announcement.
const BATCH: usize = 200;

/// Changes that root keeps for one subscriber. It catches up by pages when there are more.
const MAX_PENDING: u64 = 1_000;

/// Subscribers that root announces to at the same time.
const MAX_DELIVERING: usize = 8;

/// Unresponsive subscribers among them. The others need not wait for these.
const MAX_UNRESPONSIVE: usize = 2;

const SECOND: u64 = 1_000_000_000;

/// The pause before an announcement is repeated, in nanoseconds: 1, 2, 4, .. seconds, [`LEASE`] at
/// most.
fn pause(attempts: u32) -> u64 {
    (SECOND << (attempts.clamp(1, 16) - 1)).min(LEASE)
}

/// A change on record.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
struct Pending {
    #[n(0)]
    canister: Id,
    /// The member's position now. `None`: it does not concern the subscriber any more.
    #[n(1)]
    now: Option<Position>,
    /// The member's release now, if the subscriber is told releases.
    #[n(2)]
    release: Option<u32>,
}

/// The progress of a subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Encode, Decode)]
struct Subscriber {
    /// The last change that it acknowledged, or that root dropped.
    #[n(0)]
    acked: u64,
    /// Changes that are pending for it.
    #[n(1)]
    pending: u64,
}

/// The next delivery to a subscriber.
#[derive(Clone, Copy, Debug, Default)]
struct Delivery {
    /// Announcements in a row that were not acknowledged.
    attempts: u32,
    /// Not before this time: nanoseconds since the epoch.
    not_before: u64,
}

pub(crate) struct Outbox {
    pending: StableBTreeMap<(Principal, u64), Record<Pending>, Memory>,
    subscribers: StableBTreeMap<Principal, Record<Subscriber>, Memory>,
    /// When a lease ends, by the member it is about and by its holder.
    leases: StableBTreeMap<(Principal, Principal), u64, Memory>,
    deliveries: BTreeMap<Principal, Delivery>,
    /// Where the sweep of ended leases goes on.
    swept: Option<(Principal, Principal)>,
}

impl Outbox {
    pub(crate) fn open(pending: u8, subscribers: u8, leases: u8) -> Self {
        let pending: StableBTreeMap<(Principal, u64), Record<Pending>, Memory> =
            StableBTreeMap::init(memory::open(pending));
        let mut deliveries = BTreeMap::new();
        let mut next = pending.keys().next();
        while let Some((subscriber, _)) = next {
            deliveries.insert(subscriber, Delivery::default());
            let others = (Excluded((subscriber, u64::MAX)), Unbounded);
            next = pending.keys_range(others).next();
        }
        Self {
            pending,
            subscribers: StableBTreeMap::init(memory::open(subscribers)),
            leases: StableBTreeMap::init(memory::open(leases)),
            deliveries,
            swept: None,
        }
    }

    fn subscriber(&self, subscriber: Principal) -> Subscriber {
        self.subscribers
            .get(&subscriber)
            .map_or_else(Subscriber::default, |record| record.0)
    }

    /// The last change that a subscriber acknowledged, or that is pending for it.
    pub(crate) fn last(&self, subscriber: Principal) -> u64 {
        let pending = (subscriber, 0)..=(subscriber, u64::MAX);
        let last = self.pending.keys_range(pending).next_back();
        last.map_or_else(|| self.subscriber(subscriber).acked, |(_, number)| number)
    }

    /// Adds a subscriber that has to catch up: it knows no change up to a number.
    pub(crate) fn start_after(&mut self, subscriber: Principal, number: u64) {
        let state = Subscriber {
            acked: number,
            pending: 0,
        };
        self.subscribers.insert(subscriber, Record(state));
    }

    /// Queues a change for a subscriber.
    pub(crate) fn push(
        &mut self,
        subscriber: Principal,
        number: u64,
        canister: Principal,
        now: Option<Position>,
        release: Option<u32>,
    ) {
        let mut state = self.subscriber(subscriber);
        if state.pending >= MAX_PENDING {
            state.acked = self.last(subscriber);
            state.pending = 0;
            self.drop_through(subscriber, u64::MAX);
        }
        let canister = Id(canister);
        let change = Record(Pending {
            canister,
            now,
            release,
        });
        self.pending.insert((subscriber, number), change);
        state.pending += 1;
        self.subscribers.insert(subscriber, Record(state));
        self.deliveries.entry(subscriber).or_default();
    }

    /// Queues a subscriber's own position behind a gap, so that it catches up: it may have lost
    /// what it acknowledged. A canister to which root never announced anything is left alone.
    pub(crate) fn restart(&mut self, subscriber: Principal, number: u64, own: Position) {
        if self.subscribers.contains_key(&subscriber) {
            self.drop_through(subscriber, u64::MAX);
            self.start_after(subscriber, number - 1);
            self.push(subscriber, number, subscriber, Some(own), None);
        }
    }

    /// Drops the changes for a subscriber up to a number, and answers how many there were.
    fn drop_through(&mut self, subscriber: Principal, upto: u64) -> u64 {
        let dropped: Vec<_> = self
            .pending
            .keys_range((subscriber, 0)..=(subscriber, upto))
            .collect();
        for key in &dropped {
            self.pending.remove(key);
        }
        dropped.len() as u64
    }

    /// The subscribers to announce to now. `delivering`: those to which root is announcing.
    pub(crate) fn due(&self, now: u64, delivering: &BTreeSet<Principal>) -> Vec<Principal> {
        let attempts = |subscriber| {
            self.deliveries
                .get(subscriber)
                .map_or(0, |delivery| delivery.attempts)
        };
        let unresponsive = delivering.iter().filter(|one| attempts(one) > 0).count();
        let mut capacity = MAX_DELIVERING.saturating_sub(delivering.len());
        let mut for_unresponsive = MAX_UNRESPONSIVE.saturating_sub(unresponsive);
        let mut chosen = Vec::new();
        for (subscriber, delivery) in self.idle(delivering) {
            if delivery.not_before > now {
                continue;
            }
            if capacity == 0 {
                break;
            }
            if delivery.attempts > 0 {
                if for_unresponsive == 0 {
                    continue;
                }
                for_unresponsive -= 1;
            }
            capacity -= 1;
            chosen.push(*subscriber);
        }
        chosen
    }

    /// When the next delivery is due: nanoseconds since the epoch.
    pub(crate) fn next_due(&self, delivering: &BTreeSet<Principal>) -> Option<u64> {
        self.idle(delivering)
            .map(|(_, delivery)| delivery.not_before)
            .min()
    }

    fn idle<'a>(
        &'a self,
        delivering: &'a BTreeSet<Principal>,
    ) -> impl Iterator<Item = (&'a Principal, &'a Delivery)> {
        let deliveries = self.deliveries.iter();
        deliveries.filter(|(subscriber, _)| !delivering.contains(subscriber))
    }

    /// The number of subscribers with pending changes.
    pub(crate) fn subscribers_pending(&self) -> usize {
        self.deliveries.len()
    }

    /// The next announcement to a subscriber, if a change is pending for it.
    pub(crate) fn announcement(&self, subscriber: Principal) -> Option<Announcement> {
        let pending = self.pending.range((subscriber, 0)..=(subscriber, u64::MAX));
        let changes: Vec<Change> = pending
            .take(BATCH)
            .map(|entry| {
                let Pending {
                    canister,
                    now,
                    release,
                } = entry.value().0;
                Change {
                    number: entry.key().1,
                    canister: canister.0,
                    now: now.map(MemberRef::from),
                    release,
                }
            })
            .collect();
        Some(Announcement {
            after: self.subscriber(subscriber).acked,
            upto: changes.last()?.number,
            changes,
        })
    }

    /// Records that a subscriber acknowledged all changes up to a number.
    pub(crate) fn ack(&mut self, subscriber: Principal, upto: u64) {
        let Some(Record(mut state)) = self.subscribers.get(&subscriber) else {
            return;
        };
        let dropped = self.drop_through(subscriber, upto);
        state.pending -= dropped.min(state.pending);
        state.acked = state.acked.max(upto);
        self.subscribers.insert(subscriber, Record(state));
        if state.pending == 0 {
            self.deliveries.remove(&subscriber);
        } else {
            self.deliveries.insert(subscriber, Delivery::default());
        }
    }

    /// Records that an announcement was not acknowledged. Root repeats it after a pause.
    pub(crate) fn nack(&mut self, subscriber: Principal, now: u64) {
        if let Some(delivery) = self.deliveries.get_mut(&subscriber) {
            delivery.attempts += 1;
            delivery.not_before = now + pause(delivery.attempts);
        }
    }

    /// Removes a subscriber that is no member any more.
    pub(crate) fn remove(&mut self, subscriber: Principal) {
        if self.subscribers.remove(&subscriber).is_some() {
            self.drop_through(subscriber, u64::MAX);
            self.deliveries.remove(&subscriber);
        }
    }

    /// Gives `holder` a lease on root's answer about a member.
    pub(crate) fn lease(&mut self, canister: Principal, holder: Principal, now: u64) {
        self.leases.insert((canister, holder), now + LEASE);
        // Each new lease sweeps two older ones, so that ended leases do not pile up.
        for _ in 0..2 {
            let from = self.swept.map_or(Unbounded, Excluded);
            self.swept = self.leases.keys_range((from, Unbounded)).next();
            if let Some(key) = self.swept
                && self.leases.get(&key).is_some_and(|until| until <= now)
            {
                self.leases.remove(&key);
            }
        }
    }

    /// The members with a lease on root's answer about a member.
    pub(crate) fn leaseholders(&self, canister: Principal, now: u64) -> Vec<Principal> {
        // The id of the management canister sorts before all others.
        let first = Principal::management_canister();
        self.leases
            .range((canister, first)..)
            .take_while(|entry| entry.key().0 == canister)
            .filter(|entry| entry.value() > now)
            .map(|entry| entry.key().1)
            .collect()
    }

    /// Ends all leases on a member.
    pub(crate) fn end_leases(&mut self, canister: Principal) {
        let first = Principal::management_canister();
        let keys: Vec<_> = self
            .leases
            .keys_range((canister, first)..)
            .take_while(|(about, _)| *about == canister)
            .collect();
        for key in keys {
            self.leases.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> Principal {
        Principal::from_slice(&[n, 1])
    }

    fn opened() -> Outbox {
        Outbox::open(0, 1, 2)
    }

    fn push(all: &mut Outbox, subscriber: u8, number: u64) {
        all.push(id(subscriber), number, id(100), None, None);
    }

    fn numbers(all: &Outbox, subscriber: u8) -> Option<(u64, Vec<u64>, u64)> {
        let Announcement {
            after,
            upto,
            changes,
        } = all.announcement(id(subscriber))?;
        let numbers = changes.iter().map(|change| change.number).collect();
        Some((after, numbers, upto))
    }

    #[test]
    fn changes_are_announced_in_order_until_they_are_acknowledged() {
        let mut all = opened();
        for number in [3, 5, 9] {
            push(&mut all, 1, number);
        }
        assert_eq!(numbers(&all, 1), Some((0, vec![3, 5, 9], 9)));
        push(&mut all, 1, 12);
        all.ack(id(1), 9);
        assert_eq!(numbers(&all, 1), Some((9, vec![12], 12)));
        assert_eq!(all.subscribers_pending(), 1);
        all.ack(id(1), 12);
        assert_eq!((numbers(&all, 1), all.subscribers_pending()), (None, 0));
        push(&mut all, 1, 20);
        assert_eq!(numbers(&all, 1), Some((12, vec![20], 20)));
    }

    #[test]
    fn pending_changes_survive_an_upgrade() {
        let mut all = opened();
        for subscriber in [1, 2, 3] {
            push(&mut all, subscriber, u64::from(subscriber));
            push(&mut all, subscriber, 10);
        }
        all.ack(id(2), 10);
        let again = opened();
        assert_eq!(again.due(0, &BTreeSet::new()), [id(1), id(3)]);
        assert_eq!(numbers(&again, 3), Some((0, vec![3, 10], 10)));
        assert_eq!(again.last(id(2)), 10);
    }

    #[test]
    fn an_unresponsive_subscriber_holds_up_no_other() {
        let mut all = opened();
        for subscriber in 1..=30 {
            push(&mut all, subscriber, 1);
        }
        let none = BTreeSet::new();
        let first = all.due(0, &none);
        assert_eq!(first.len(), MAX_DELIVERING);
        for subscriber in &first {
            all.nack(*subscriber, 0);
        }
        // They wait, and afterwards get a part of the deliveries.
        assert!(all.due(0, &none).iter().all(|one| !first.contains(one)));
        let later = all.due(SECOND, &none);
        assert_eq!(later.len(), MAX_DELIVERING);
        let unresponsive = later.iter().filter(|one| first.contains(one)).count();
        assert_eq!(unresponsive, MAX_UNRESPONSIVE);
        let delivering: BTreeSet<_> = later.into_iter().collect();
        assert!(all.due(SECOND, &delivering).is_empty());
        assert_eq!(all.next_due(&delivering), Some(0));
    }

    #[test]
    fn pauses_grow_up_to_a_lease() {
        let pauses: Vec<u64> = [1, 2, 3, 9, 10, 99].map(|n| pause(n) / SECOND).to_vec();
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300]);
    }

    #[test]
    fn a_subscriber_with_too_many_pending_changes_catches_up() {
        let mut all = opened();
        for number in 1..=MAX_PENDING + 1 {
            push(&mut all, 1, number);
        }
        // The dropped changes leave a gap, which the subscriber sees by `after`.
        let last = MAX_PENDING + 1;
        assert_eq!(numbers(&all, 1), Some((MAX_PENDING, vec![last], last)));
        // A late acknowledgement changes nothing.
        all.ack(id(1), 7);
        assert_eq!(numbers(&all, 1), Some((MAX_PENDING, vec![last], last)));
    }

    #[test]
    fn nothing_is_announced_to_a_removed_subscriber() {
        let mut all = opened();
        push(&mut all, 1, 1);
        all.remove(id(1));
        all.ack(id(1), 1);
        assert_eq!((numbers(&all, 1), all.subscribers_pending()), (None, 0));
        assert_eq!(all.pending.len() + all.subscribers.len(), 0);
    }

    #[test]
    fn a_lease_ends_and_leaves_nothing_behind() {
        let mut all = opened();
        for holder in 1..=20 {
            all.lease(id(100), id(holder), 0);
        }
        assert_eq!(all.leaseholders(id(100), LEASE - 1).len(), 20);
        assert!(all.leaseholders(id(100), LEASE).is_empty());
        for holder in 21..=50 {
            all.lease(id(101), id(holder), LEASE);
        }
        assert_eq!(all.leases.len(), 30, "the ended leases were swept");
        assert_eq!(all.leaseholders(id(101), LEASE).len(), 30);
        all.end_leases(id(101));
        assert_eq!(all.leases.len(), 0);
    }

    #[test]
    fn a_pending_change_of_an_earlier_version_has_no_release() {
        #[derive(Encode)]
        struct Earlier {
            #[n(0)]
            canister: Id,
            #[n(1)]
            now: Option<Position>,
        }
        let now = Some(Position::sample(id(3)));
        let earlier = Earlier {
            canister: Id(id(2)),
            now: now.clone(),
        };
        let bytes = minicbor::to_vec(&earlier).unwrap();
        let read: Pending = minicbor::decode(&bytes).unwrap();
        let expected = Pending {
            canister: Id(id(2)),
            now,
            release: None,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_subscriber_that_is_restarted_sees_that_it_missed_changes() {
        let mut all = opened();
        let own = Position::sample(id(200));
        all.restart(id(1), 4, own.clone());
        assert_eq!(
            numbers(&all, 1),
            None,
            "root never announced anything to it"
        );
        for number in [3, 5] {
            push(&mut all, 1, number);
        }
        all.ack(id(1), 3);
        all.restart(id(1), 9, own);
        assert_eq!(numbers(&all, 1), Some((8, vec![9], 9)));
        all.ack(id(1), 9);
        assert_eq!((numbers(&all, 1), all.subscribers_pending()), (None, 0));
    }
}
