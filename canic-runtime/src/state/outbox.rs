//! Outbox: what root has to tell members about other members.
//!
//! Every change has a number. A listener, the parent of a member or one whose role watches that of the member, hears its
//! changes in order, several at once; what it has not heard stays on record. One that is down misses nothing, and one that is
//! down for long is told where to go on: it asks for a page of what there is.
//!
//! Who asks root about a member relies on the answer for [`LEASE`]. Until then root tells it, too, if that changes.

use crate::{
    api::LEASE,
    api::{Announcement, Change, MemberRef},
    operation::Position,
    stable::{
        memory::{self, Memory},
        record::{Id, Record},
    },
};
use candid::Principal;
use ic_stable_structures::StableBTreeMap;
use minicbor::{Decode, Encode};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
};

/// Changes that are sent at once.
const BATCH: usize = 200;

/// Changes that are kept for one listener. It catches up by pages when there are more.
const MAX_KEPT: u64 = 1_000;

/// Listeners that are told something at the same time.
const MAX_TELLING: usize = 8;

/// Those of them that did not hear what they were told last: the others need not wait for them.
const MAX_DEAF: usize = 2;

const SECOND: u64 = 1_000_000_000;

/// How long to wait before a listener is told again what it did not hear: 1, 2, 4, .. seconds, [`LEASE`] at most.
fn pause(attempts: u32) -> u64 {
    (SECOND << (attempts.clamp(1, 16) - 1)).min(LEASE)
}

/// A change on record.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
struct Kept {
    #[n(0)]
    canister: Id,
    /// What it is now; none if that is no concern of the listener's any more.
    #[n(1)]
    now: Option<Position>,
}

/// How far a listener is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Encode, Decode)]
struct Listener {
    /// The last change that it heard, or that is kept for it no longer.
    #[n(0)]
    told: u64,
    /// How many are kept for it.
    #[n(1)]
    kept: u64,
}

/// Somebody to tell something.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    /// How often in a row it did not hear.
    attempts: u32,
    /// Not before this time: nanoseconds since the epoch.
    not_before: u64,
}

pub(crate) struct Outbox {
    kept: StableBTreeMap<(Principal, u64), Record<Kept>, Memory>,
    listeners: StableBTreeMap<Principal, Record<Listener>, Memory>,
    /// Until when a member relies on what root said about another: by the other, then by who relies on it.
    reliance: StableBTreeMap<(Principal, Principal), u64, Memory>,
    due: BTreeMap<Principal, Due>,
    /// Where the search for reliance that is over goes on.
    swept: Option<(Principal, Principal)>,
}

impl Outbox {
    pub(crate) fn open(kept: u8, listeners: u8, reliance: u8) -> Self {
        let kept: StableBTreeMap<(Principal, u64), Record<Kept>, Memory> =
            StableBTreeMap::init(memory::open(kept));
        let mut due = BTreeMap::new();
        let mut next = kept.keys().next();
        while let Some((listener, _)) = next {
            due.insert(listener, Due::default());
            let others = (Excluded((listener, u64::MAX)), Unbounded);
            next = kept.keys_range(others).next();
        }
        Self {
            kept,
            listeners: StableBTreeMap::init(memory::open(listeners)),
            reliance: StableBTreeMap::init(memory::open(reliance)),
            due,
            swept: None,
        }
    }

    fn listener(&self, listener: Principal) -> Listener {
        self.listeners
            .get(&listener)
            .map_or_else(Listener::default, |record| record.0)
    }

    /// The last change that a listener was told or is to be told.
    pub(crate) fn last(&self, listener: Principal) -> u64 {
        let kept = (listener, 0)..=(listener, u64::MAX);
        let last = self.kept.keys_range(kept).next_back();
        last.map_or_else(|| self.listener(listener).told, |(_, number)| number)
    }

    /// A listener that has to catch up: it knows nothing of what happened up to a number.
    pub(crate) fn begins_after(&mut self, listener: Principal, told: u64) {
        let state = Listener { told, kept: 0 };
        self.listeners.insert(listener, Record(state));
    }

    /// Keeps a change for a listener.
    pub(crate) fn tell(
        &mut self,
        listener: Principal,
        number: u64,
        canister: Principal,
        now: Option<Position>,
    ) {
        let mut state = self.listener(listener);
        if state.kept >= MAX_KEPT {
            state.told = self.last(listener);
            state.kept = 0;
            self.drop_until(listener, u64::MAX);
        }
        let canister = Id(canister);
        let kept = Record(Kept { canister, now });
        self.kept.insert((listener, number), kept);
        state.kept += 1;
        self.listeners.insert(listener, Record(state));
        self.due.entry(listener).or_default();
    }

    /// Drops what is kept for a listener up to a number, and answers how much that was.
    fn drop_until(&mut self, listener: Principal, upto: u64) -> u64 {
        let heard: Vec<_> = self
            .kept
            .keys_range((listener, 0)..=(listener, upto))
            .collect();
        for key in &heard {
            self.kept.remove(key);
        }
        heard.len() as u64
    }

    /// Whom to tell something now, given who is being told something.
    pub(crate) fn due(&self, now: u64, telling: &BTreeSet<Principal>) -> Vec<Principal> {
        let attempts = |listener| self.due.get(listener).map_or(0, |due| due.attempts);
        let deaf = telling.iter().filter(|one| attempts(one) > 0).count();
        let mut room = MAX_TELLING.saturating_sub(telling.len());
        let mut room_for_deaf = MAX_DEAF.saturating_sub(deaf);
        let waiting = self.due.iter().filter(|(one, _)| !telling.contains(one));
        let mut chosen = Vec::new();
        for (listener, due) in waiting.filter(|(_, due)| due.not_before <= now) {
            if room == 0 {
                break;
            }
            if due.attempts > 0 {
                if room_for_deaf == 0 {
                    continue;
                }
                room_for_deaf -= 1;
            }
            room -= 1;
            chosen.push(*listener);
        }
        chosen
    }

    /// When somebody is to be told something next: nanoseconds since the epoch.
    pub(crate) fn next(&self, telling: &BTreeSet<Principal>) -> Option<u64> {
        let waiting = self.due.iter().filter(|(one, _)| !telling.contains(one));
        waiting.map(|(_, due)| due.not_before).min()
    }

    /// How many listeners have not heard something.
    pub(crate) fn waiting(&self) -> usize {
        self.due.len()
    }

    /// What to tell a listener.
    pub(crate) fn announcement(&self, listener: Principal) -> Option<Announcement> {
        let kept = self.kept.range((listener, 0)..=(listener, u64::MAX));
        let changes: Vec<Change> = kept
            .take(BATCH)
            .map(|entry| {
                let Kept { canister, now } = entry.value().0;
                Change {
                    number: entry.key().1,
                    canister: canister.0,
                    now: now.map(MemberRef::from),
                }
            })
            .collect();
        Some(Announcement {
            after: self.listener(listener).told,
            upto: changes.last()?.number,
            changes,
        })
    }

    /// A listener heard what it was told.
    pub(crate) fn heard(&mut self, listener: Principal, upto: u64) {
        let Some(Record(mut state)) = self.listeners.get(&listener) else {
            return;
        };
        state.kept -= self.drop_until(listener, upto).min(state.kept);
        state.told = state.told.max(upto);
        self.listeners.insert(listener, Record(state));
        if state.kept == 0 {
            self.due.remove(&listener);
        } else {
            self.due.insert(listener, Due::default());
        }
    }

    /// A listener did not hear what it was told, or nobody knows.
    pub(crate) fn unheard(&mut self, listener: Principal, now: u64) {
        if let Some(due) = self.due.get_mut(&listener) {
            due.attempts += 1;
            due.not_before = now + pause(due.attempts);
        }
    }

    /// A member is no more: it need not hear anything.
    pub(crate) fn forget(&mut self, listener: Principal) {
        if self.listeners.remove(&listener).is_some() {
            self.drop_until(listener, u64::MAX);
            self.due.remove(&listener);
        }
    }

    /// A member relies on what root says about another.
    pub(crate) fn rely(&mut self, canister: Principal, who: Principal, now: u64) {
        self.reliance.insert((canister, who), now + LEASE);
        // Two that came before are looked at, so that what is over does not pile up.
        for _ in 0..2 {
            let from = self.swept.map_or(Unbounded, Excluded);
            self.swept = self.reliance.keys_range((from, Unbounded)).next();
            if let Some(key) = self.swept
                && self.reliance.get(&key).is_some_and(|until| until <= now)
            {
                self.reliance.remove(&key);
            }
        }
    }

    /// Who relies on what root said about a member.
    pub(crate) fn relying(&self, canister: Principal, now: u64) -> Vec<Principal> {
        let nobody = Principal::management_canister();
        self.reliance
            .range((canister, nobody)..)
            .take_while(|entry| entry.key().0 == canister)
            .filter(|entry| entry.value() > now)
            .map(|entry| entry.key().1)
            .collect()
    }

    /// Nobody relies on a member any more: all were told, or their time is over.
    pub(crate) fn release(&mut self, canister: Principal) {
        let nobody = Principal::management_canister();
        let keys: Vec<_> = self
            .reliance
            .keys_range((canister, nobody)..)
            .take_while(|(about, _)| *about == canister)
            .collect();
        for key in keys {
            self.reliance.remove(&key);
        }
    }
}

impl From<Position> for MemberRef {
    fn from(place: Position) -> Self {
        Self {
            role: place.role,
            parent: place.parent.0,
            key: place.key,
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

    fn tell(all: &mut Outbox, listener: u8, number: u64) {
        all.tell(id(listener), number, id(100), None);
    }

    fn numbers(all: &Outbox, listener: u8) -> Option<(u64, Vec<u64>, u64)> {
        let Announcement {
            after,
            upto,
            changes,
        } = all.announcement(id(listener))?;
        let numbers = changes.iter().map(|change| change.number).collect();
        Some((after, numbers, upto))
    }

    #[test]
    fn changes_are_told_in_order_and_until_they_are_heard() {
        let mut all = opened();
        for number in [3, 5, 9] {
            tell(&mut all, 1, number);
        }
        assert_eq!(numbers(&all, 1), Some((0, vec![3, 5, 9], 9)));
        tell(&mut all, 1, 12);
        all.heard(id(1), 9);
        assert_eq!(numbers(&all, 1), Some((9, vec![12], 12)));
        assert_eq!(all.waiting(), 1);
        all.heard(id(1), 12);
        assert_eq!((numbers(&all, 1), all.waiting()), (None, 0));
        tell(&mut all, 1, 20);
        assert_eq!(numbers(&all, 1), Some((12, vec![20], 20)));
    }

    #[test]
    fn what_is_kept_outlives_a_life_of_the_code() {
        let mut all = opened();
        for listener in [1, 2, 3] {
            tell(&mut all, listener, u64::from(listener));
            tell(&mut all, listener, 10);
        }
        all.heard(id(2), 10);
        let again = opened();
        assert_eq!(again.due(0, &BTreeSet::new()), [id(1), id(3)]);
        assert_eq!(numbers(&again, 3), Some((0, vec![3, 10], 10)));
        assert_eq!(again.last(id(2)), 10);
    }

    #[test]
    fn who_does_not_hear_holds_up_nobody_else() {
        let mut all = opened();
        for listener in 1..=30 {
            tell(&mut all, listener, 1);
        }
        let nobody = BTreeSet::new();
        let first = all.due(0, &nobody);
        assert_eq!(first.len(), MAX_TELLING);
        for listener in &first {
            all.unheard(*listener, 0);
        }
        // They wait, and when they come again they get a part of the places.
        assert!(all.due(0, &nobody).iter().all(|one| !first.contains(one)));
        let later = all.due(SECOND, &nobody);
        assert_eq!(later.len(), MAX_TELLING);
        let deaf = later.iter().filter(|one| first.contains(one)).count();
        assert_eq!(deaf, MAX_DEAF);
        let telling: BTreeSet<_> = later.into_iter().collect();
        assert!(all.due(SECOND, &telling).is_empty());
        assert_eq!(all.next(&telling), Some(0));
    }

    #[test]
    fn pauses_grow_up_to_a_lease() {
        let pauses: Vec<u64> = [1, 2, 3, 9, 10, 99].map(|n| pause(n) / SECOND).to_vec();
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300]);
    }

    #[test]
    fn who_is_down_for_long_is_told_where_to_go_on() {
        let mut all = opened();
        for number in 1..=MAX_KEPT + 1 {
            tell(&mut all, 1, number);
        }
        // What was dropped leaves a gap: the listener sees it by what comes before its next change.
        let last = MAX_KEPT + 1;
        assert_eq!(numbers(&all, 1), Some((MAX_KEPT, vec![last], last)));
        // An answer that was on its way changes nothing about that.
        all.heard(id(1), 7);
        assert_eq!(numbers(&all, 1), Some((MAX_KEPT, vec![last], last)));
    }

    #[test]
    fn who_is_gone_hears_nothing_any_more() {
        let mut all = opened();
        tell(&mut all, 1, 1);
        all.forget(id(1));
        all.heard(id(1), 1);
        assert_eq!((numbers(&all, 1), all.waiting()), (None, 0));
        assert_eq!(all.kept.len() + all.listeners.len(), 0);
    }

    #[test]
    fn reliance_ends_with_its_lease_and_leaves_nothing_behind() {
        let mut all = opened();
        for who in 1..=20 {
            all.rely(id(100), id(who), 0);
        }
        assert_eq!(all.relying(id(100), LEASE - 1).len(), 20);
        assert!(all.relying(id(100), LEASE).is_empty());
        for who in 21..=50 {
            all.rely(id(101), id(who), LEASE);
        }
        assert_eq!(all.reliance.len(), 30, "the others were swept");
        assert_eq!(all.relying(id(101), LEASE).len(), 30);
        all.release(id(101));
        assert_eq!(all.reliance.len(), 0);
    }
}
