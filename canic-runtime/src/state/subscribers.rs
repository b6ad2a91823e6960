//! Who is concerned by what becomes of a member: its parent, the members whose role watches its own, who asked about it, and
//! the member itself if it stands elsewhere.

use crate::{
    api::{CatchUpCursor, CatchUpPage, CatchUpRequest, Change, MAX_PAGE, MemberRef},
    operation::Position,
    state::{State, registry::MemberStatus},
};
use candid::Principal;
use std::collections::BTreeMap;

impl State {
    /// Has those concerned told that a member is now somewhere, or nowhere, where it was somewhere before, or nowhere.
    pub(crate) fn announce(
        &mut self,
        canister: Principal,
        before: Option<&Position>,
        now: Option<&Position>,
        time: u64,
    ) {
        let number = self.next_change();
        let mut audience: BTreeMap<Principal, Option<&Position>> = BTreeMap::new();
        // Who had it as a child, and has it no longer, learns just that.
        audience.extend(before.map(|place| (place.parent.0, None)));
        audience.extend(now.map(|place| (place.parent.0, now)));
        if let Some(role) = before.or(now).map(|place| place.role.as_str()) {
            audience.extend(self.watching(role).into_iter().map(|one| (one, now)));
        }
        let relying = self.outbox.relying(canister, time);
        audience.extend(relying.into_iter().map(|one| (one, now)));
        match (before, now) {
            (Some(_), Some(_)) => drop(audience.insert(canister, now)),
            // A new watcher has to catch up: that it is there is a change, too.
            (None, Some(place)) if !self.watched_by(&place.role).is_empty() => {
                self.outbox.begins_after(canister, number - 1);
                audience.insert(canister, now);
            }
            (None, Some(_)) => {}
            (_, None) => {
                self.outbox.release(canister);
                audience.remove(&canister);
            }
        }
        let mut told = false;
        for (listener, now) in audience {
            if self.listens(listener) {
                told = true;
                let now = now.cloned();
                self.outbox.tell(listener, number, canister, now);
            }
        }
        if told {
            self.write_head();
        }
    }

    /// Whether a canister is there to be told something.
    fn listens(&self, canister: Principal) -> bool {
        let member = self.registry.member(canister);
        member.is_some_and(|member| {
            matches!(member.state, MemberStatus::Active | MemberStatus::Moving)
        })
    }

    /// The roles that a role watches.
    fn watched_by(&self, role: &str) -> &'static [&'static str] {
        let role = self.config.roles.iter().find(|known| known.name == role);
        role.map_or(&[], |role| role.watches)
    }

    /// The members whose role watches a role.
    fn watching(&self, role: &str) -> Vec<Principal> {
        let watchers = self.config.roles.iter();
        let watchers = watchers.filter(|watcher| watcher.watches.contains(&role));
        let numbers = watchers.filter_map(|watcher| self.registry.role(watcher.name));
        let members = numbers.flat_map(|role| self.registry.of_role(role.number, None));
        members.collect()
    }

    /// What a canister is to the fleet; none if it is no member, or about to be none.
    pub(crate) fn standing(&self, canister: Principal) -> Option<MemberRef> {
        let member = self.registry.member(canister)?;
        (member.state != MemberStatus::Retiring).then(|| MemberRef {
            role: self.registry.role_name(member.role).to_string(),
            parent: member.parent.0,
            key: member.key,
        })
    }

    /// The same for a member that asks, and relies on the answer.
    pub(crate) fn standing_for(
        &mut self,
        canister: Principal,
        who: Principal,
        now: u64,
    ) -> Option<MemberRef> {
        let standing = self.standing(canister)?;
        if self.registry.is_member(who) {
            self.outbox.rely(canister, who, now);
        }
        Some(standing)
    }

    /// A page of what concerns a member: its children first, then the members of each role that its own watches.
    pub(crate) fn catch_up(&self, listener: Principal, request: CatchUpRequest) -> CatchUpPage {
        let role = self.standing(listener).map(|standing| standing.role);
        let watched = role.map_or(&[][..], |role| self.watched_by(&role));
        let upto = self.outbox.last(listener);
        let (first, mut after) = match request.after {
            Some(cursor) => (cursor.list as usize, Some(cursor.canister)),
            None => (0, None),
        };
        let mut page = CatchUpPage {
            upto,
            changes: Vec::new(),
            next: None,
        };
        for list in first..=watched.len() {
            let rows: Box<dyn Iterator<Item = Principal> + '_> = match list.checked_sub(1) {
                None => Box::new(self.registry.children(listener, after)),
                Some(at) => match self.registry.role(watched[at]) {
                    Some(role) => Box::new(self.registry.of_role(role.number, after)),
                    None => Box::new(std::iter::empty()),
                },
            };
            for canister in rows {
                if page.changes.len() >= MAX_PAGE as usize {
                    return page;
                }
                let list = list as u32;
                page.next = Some(CatchUpCursor { list, canister });
                if canister != listener && self.listens(canister) {
                    page.changes.push(Change {
                        number: upto,
                        canister,
                        now: self.standing(canister),
                    });
                }
            }
            after = None;
        }
        page.next = None;
        page
    }
}
