//! A member's directory of other members: its children, the members of roles that its own watches,
//! and the members that it has looked up.
//!
//! Root announces the first two, each change with a number. Lookups are cached for a lease. The
//! directory lies on the heap. If it misses a change, as after an upgrade, it becomes empty and is
//! filled again by pages.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
};

use candid::Principal;

use crate::{
    api::{Announcement, CatchUpCursor, CatchUpPage, Change, LEASE, MemberRef},
    membership::Cached,
};

/// Expired lookups are dropped whenever the number of entries is a multiple of this.
const SWEEP_EVERY: usize = 1_000;

/// An entry of the directory.
struct Entry {
    member: MemberRef,
    /// The number of its release, if root tells it to this member.
    release: Option<u32>,
    /// The number of the change that announced it. None: it was looked up, and counts only before
    /// [`until`](Self::until).
    number: Option<u64>,
    /// The end of the lease, in nanoseconds since 1970.
    until: u64,
}

/// The entries by canister, with indexes by key and by parent.
struct Members {
    entries: BTreeMap<Principal, Entry>,
    by_key: BTreeSet<(String, String, Principal)>,
    by_parent: BTreeSet<(Principal, Principal)>,
}

impl Members {
    const EMPTY: Self = Self {
        entries: BTreeMap::new(),
        by_key: BTreeSet::new(),
        by_parent: BTreeSet::new(),
    };

    fn get(&self, canister: Principal) -> Option<&Entry> {
        self.entries.get(&canister)
    }

    fn insert(&mut self, canister: Principal, entry: Entry) {
        self.remove(canister);
        let MemberRef { role, parent, key } = &entry.member;
        if let Some(key) = key {
            let key = (role.clone(), key.clone(), canister);
            self.by_key.insert(key);
        }
        self.by_parent.insert((*parent, canister));
        self.entries.insert(canister, entry);
    }

    fn remove(&mut self, canister: Principal) {
        let Some(entry) = self.entries.remove(&canister) else {
            return;
        };
        let MemberRef { role, parent, key } = entry.member;
        if let Some(key) = key {
            self.by_key.remove(&(role, key, canister));
        }
        self.by_parent.remove(&(parent, canister));
    }

    /// Drops lookups whose lease is over.
    fn sweep(&mut self, now: u64) {
        let expired =
            |(_, entry): &(&Principal, &Entry)| entry.number.is_none() && entry.until <= now;
        let expired: Vec<Principal> = self
            .entries
            .iter()
            .filter(expired)
            .map(|(id, _)| *id)
            .collect();
        for canister in expired {
            self.remove(canister);
        }
    }

    /// The members with a key: one, unless an announcement is still under way.
    fn of_key(&self, role: &str, key: &str) -> impl Iterator<Item = (Principal, &Entry)> {
        let lowest = Principal::management_canister();
        let from = (role.to_string(), key.to_string(), lowest);
        let (role, key) = (from.0.clone(), from.1.clone());
        self.by_key
            .range(from..)
            .take_while(move |(a, b, _)| (a, b) == (&role, &key))
            .filter_map(|(.., canister)| Some((*canister, self.get(*canister)?)))
    }

    /// The members below a parent, in the order of their ids.
    fn below(
        &self,
        parent: Principal,
        after: Option<Principal>,
    ) -> impl Iterator<Item = (Principal, &Entry)> {
        // The management canister's id is empty: it comes before all others.
        let after = after.unwrap_or(Principal::management_canister());
        self.by_parent
            .range((Excluded((parent, after)), Unbounded))
            .take_while(move |(above, _)| *above == parent)
            .filter_map(|(_, canister)| Some((*canister, self.get(*canister)?)))
    }
}

/// How complete the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It holds every change up to a number.
    Current,
    /// It missed a change, and no page has come since.
    Behind,
    /// Pages come.
    CatchingUp,
}

pub(crate) struct Directory {
    members: Members,
    state: State,
    /// The number of the last change received.
    received: u64,
    /// The number of the last change that was announced while behind: the first page must include
    /// it.
    announced: u64,
    /// Members that were removed while pages come, with the number of the change: a page may be
    /// older.
    removed: BTreeMap<Principal, u64>,
}

impl Directory {
    pub(crate) const EMPTY: Self = Self {
        members: Members::EMPTY,
        state: State::Current,
        received: 0,
        announced: 0,
        removed: BTreeMap::new(),
    };

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// The number of the last change received.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Drops every entry, so that pages fill the directory again.
    pub(crate) fn fall_behind(&mut self) {
        self.state = State::Behind;
        self.members = Members::EMPTY;
        self.removed.clear();
    }

    /// Receives an announcement. Returns whether the directory is behind.
    pub(crate) fn receive(&mut self, announcement: Announcement, now: u64) -> bool {
        if announcement.after > self.received {
            self.fall_behind();
        }
        if self.state == State::Behind {
            // The pages include these changes.
            self.announced = self.announced.max(announcement.upto);
            return true;
        }
        for change in announcement.changes {
            if change.number > self.received {
                self.apply(change, now);
            }
        }
        self.received = self.received.max(announcement.upto);
        false
    }

    /// Applies a page and returns the cursor of the next one. A page is ignored if it belongs to an
    /// earlier try, or if it is the first one and too old.
    pub(crate) fn apply_page(
        &mut self,
        is_first: bool,
        page: CatchUpPage,
        now: u64,
    ) -> Option<CatchUpCursor> {
        if self.state == State::Behind {
            if !is_first || page.upto < self.announced {
                return None;
            }
            self.state = State::CatchingUp;
            self.received = page.upto;
        }
        for change in page.changes {
            self.apply(change, now);
        }
        if page.next.is_none() {
            self.state = State::Current;
            self.removed.clear();
        }
        page.next
    }

    /// Applies a change, unless a newer one of the same member came before it.
    fn apply(&mut self, change: Change, now: u64) {
        let number = Some(change.number);
        let present = self.members.get(change.canister);
        let removed = self.removed.get(&change.canister).copied();
        if present.and_then(|entry| entry.number).max(removed) > number {
            return;
        }
        match change.now {
            Some(member) => {
                let until = now + LEASE;
                let entry = Entry {
                    member,
                    release: change.release,
                    number,
                    until,
                };
                self.members.insert(change.canister, entry);
            }
            None => {
                self.members.remove(change.canister);
                if self.state == State::CatchingUp {
                    self.removed.insert(change.canister, change.number);
                }
            }
        }
    }

    /// Caches the answer of a lookup until a time. None: the canister is not a member.
    pub(crate) fn cache(
        &mut self,
        canister: Principal,
        member: Option<MemberRef>,
        until: u64,
        now: u64,
    ) {
        let Some(member) = member else {
            self.members.remove(canister);
            return;
        };
        let announced = self.members.get(canister);
        let entry = Entry {
            member,
            release: announced.and_then(|entry| entry.release),
            number: announced.and_then(|entry| entry.number),
            until,
        };
        self.members.insert(canister, entry);
        if self.members.entries.len().is_multiple_of(SWEEP_EVERY) {
            self.members.sweep(now);
        }
    }

    /// Whether there is an entry, even one whose lease is over.
    pub(crate) fn has_entry(&self, canister: Principal) -> bool {
        self.members.get(canister).is_some()
    }

    /// The entry of a canister. A lookup whose lease is over counts as unknown.
    pub(crate) fn cached(&self, canister: Principal, now: u64) -> Cached {
        match self.members.get(canister) {
            Some(entry) if entry.until > now => Cached::Fresh(Some(entry.member.clone())),
            Some(entry) if entry.number.is_some() => Cached::Stale(entry.member.clone()),
            Some(_) | None => Cached::Unknown,
        }
    }

    /// The release of a member, if root tells it to this one.
    pub(crate) fn release(&self, canister: Principal) -> Option<u32> {
        self.members.get(canister)?.release
    }

    /// The member with a key, if root announces it.
    pub(crate) fn lookup(&self, role: &str, key: &str) -> Option<Principal> {
        let mut found = self.members.of_key(role, key);
        let announced = found.find(|(_, entry)| entry.number.is_some());
        announced.map(|(canister, _)| canister)
    }

    /// The members below a parent, in the order of their ids.
    pub(crate) fn children(
        &self,
        parent: Principal,
        after: Option<Principal>,
        now: u64,
    ) -> impl Iterator<Item = (Principal, &MemberRef)> {
        let below = self.members.below(parent, after);
        below
            .filter(move |(_, entry)| entry.number.is_some() || entry.until > now)
            .map(|(canister, entry)| (canister, &entry.member))
    }
}

#[cfg(test)]
impl Directory {
    /// Every entry.
    pub(crate) fn entries(&self) -> BTreeMap<Principal, MemberRef> {
        let entries = self.members.entries.iter();
        entries
            .map(|(canister, entry)| (*canister, entry.member.clone()))
            .collect()
    }

    /// Every canister that the index has under a key.
    pub(crate) fn of_key(&self, role: &str, key: &str) -> Vec<Principal> {
        let found = self.members.of_key(role, key);
        found.map(|(canister, _)| canister).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> Principal {
        Principal::from_slice(&[n, 1])
    }

    #[test]
    fn a_first_page_that_is_older_than_a_missed_announcement_is_ignored() {
        let mut directory = Directory::EMPTY;
        let empty = |after, upto| Announcement {
            after,
            upto,
            changes: Vec::new(),
        };
        assert!(directory.receive(empty(3, 5), 0), "it missed changes");
        let page = |upto| CatchUpPage {
            upto,
            changes: Vec::new(),
            next: None,
        };
        directory.apply_page(true, page(4), 0);
        assert_eq!(directory.state(), State::Behind);
        directory.apply_page(true, page(5), 0);
        assert_eq!(
            (directory.state(), directory.received()),
            (State::Current, 5)
        );
    }

    #[test]
    fn a_lookup_expires_and_an_announced_entry_becomes_stale() {
        let member = MemberRef {
            role: "worker".to_string(),
            parent: id(200),
            key: None,
        };
        let mut directory = Directory::EMPTY;
        let change = Change {
            number: 1,
            canister: id(1),
            now: Some(member.clone()),
            release: Some(3),
        };
        directory.apply(change, 0);
        directory.cache(id(2), Some(member.clone()), LEASE, 0);
        // A lookup says nothing of the release.
        directory.cache(id(1), Some(member.clone()), LEASE, 0);
        assert_eq!([1, 2].map(|n| directory.release(id(n))), [Some(3), None]);
        let at = |now| [1, 2].map(|n| directory.cached(id(n), now));
        let fresh = Cached::Fresh(Some(member.clone()));
        assert_eq!(at(LEASE - 1), [fresh.clone(), fresh]);
        assert_eq!(at(LEASE), [Cached::Stale(member), Cached::Unknown]);
    }
}
