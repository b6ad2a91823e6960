//! Tests of announcements from end to end: root's outbox on one side, a member's directory on the
//! other.

use std::collections::BTreeMap;

use candid::Principal;
use proptest::prelude::*;

use crate::{
    api::{CatchUpCursor, CatchUpPage, Change, MemberRef},
    member::directory::{Directory, State},
    operation::Position,
    stable::memory,
    state::outbox::Outbox,
};

const SUBSCRIBER: Principal = Principal::from_slice(&[200, 1]);

fn id(n: u8) -> Principal {
    Principal::from_slice(&[n, 1])
}

/// An event of a root and of a member that subscribes.
#[derive(Clone, Debug)]
enum Event {
    /// A canister becomes a member with this key, or is removed.
    Change(u8, Option<u8>),
    /// Root announces its pending changes; the member's reply comes back or is lost.
    Announce(bool),
    /// Root drops the pending changes, as if there were too many.
    Overflow,
    /// The member asks for a page.
    Ask,
    /// The page comes.
    Page,
    /// The member is upgraded.
    Upgrade,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..6u8, prop::option::of(0..3u8)).prop_map(|(n, key)| Event::Change(n, key)),
        3 => any::<bool>().prop_map(Event::Announce),
        1 => Just(Event::Overflow),
        3 => Just(Event::Ask),
        3 => Just(Event::Page),
        1 => Just(Event::Upgrade),
    ]
}

/// A root with an outbox, and a member with a directory.
struct World {
    outbox: Outbox,
    number: u64,
    truth: BTreeMap<Principal, Position>,
    member: Directory,
    /// The cursor of the member's next page, and the page that is under way.
    after: Option<CatchUpCursor>,
    page: Option<(bool, CatchUpPage)>,
}

impl World {
    fn new() -> Self {
        memory::forget();
        Self {
            outbox: Outbox::open(0, 1, 2),
            number: 0,
            truth: BTreeMap::new(),
            member: Directory::EMPTY,
            after: None,
            page: None,
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Change(n, key) => {
                self.number += 1;
                let position = key.map(|key| Position {
                    key: Some(key.to_string()),
                    ..Position::sample(SUBSCRIBER)
                });
                match &position {
                    Some(position) => drop(self.truth.insert(id(n), position.clone())),
                    None => drop(self.truth.remove(&id(n))),
                }
                self.outbox
                    .push(SUBSCRIBER, self.number, id(n), position, None);
            }
            Event::Announce(acked) => {
                if let Some(announcement) = self.outbox.announcement(SUBSCRIBER) {
                    let upto = announcement.upto;
                    self.member.receive(announcement, 0);
                    if acked {
                        self.outbox.ack(SUBSCRIBER, upto);
                    }
                }
            }
            Event::Overflow => {
                let last = self.outbox.last(SUBSCRIBER);
                self.outbox.ack(SUBSCRIBER, last);
            }
            Event::Ask => {
                if self.member.state() != State::Current && self.page.is_none() {
                    if self.member.state() == State::Behind {
                        self.after = None;
                    }
                    self.page = Some((self.after.is_none(), self.page_after(self.after)));
                }
            }
            Event::Page => {
                if let Some((is_first, page)) = self.page.take() {
                    self.after = self.member.apply_page(is_first, page, 0);
                }
            }
            Event::Upgrade => {
                self.member = Directory::EMPTY;
                self.member.fall_behind();
                self.page = None;
            }
        }
    }

    /// A page as root makes it, of two rows.
    fn page_after(&self, after: Option<CatchUpCursor>) -> CatchUpPage {
        let upto = self.outbox.last(SUBSCRIBER);
        let rows = self.truth.iter();
        let rows =
            rows.filter(|(canister, _)| after.is_none_or(|after| **canister > after.canister));
        let mut changes: Vec<Change> = rows
            .map(|(canister, position)| Change {
                number: upto,
                canister: *canister,
                now: Some(position.clone().into()),
                release: None,
            })
            .collect();
        let more = changes.len() > 2;
        changes.truncate(2);
        let next = changes.last().filter(|_| more).map(|last| CatchUpCursor {
            list: 0,
            canister: last.canister,
        });
        CatchUpPage {
            upto,
            changes,
            next,
        }
    }
}

proptest! {
    /// The directory agrees with root in the end, whatever is lost, repeated or late.
    #[test]
    fn a_directory_agrees_with_root_in_the_end(
        events in prop::collection::vec(event(), 1..80)
    ) {
        let mut world = World::new();
        for event in events {
            world.apply(event);
        }
        // The member notices dropped changes with the next one.
        world.apply(Event::Change(7, Some(0)));
        for _ in 0..20 {
            world.apply(Event::Announce(true));
            world.apply(Event::Ask);
            world.apply(Event::Page);
        }
        let directory = &world.member;
        prop_assert_eq!(directory.state(), State::Current);
        let truth: BTreeMap<Principal, MemberRef> =
            world.truth.iter().map(|(id, position)| (*id, position.clone().into())).collect();
        prop_assert_eq!(&directory.entries(), &truth);
        let children: Vec<Principal> =
            directory.children(SUBSCRIBER, None, 0).map(|(id, _)| id).collect();
        prop_assert_eq!(children, truth.keys().copied().collect::<Vec<_>>());
        for key in ["0", "1", "2"] {
            let of_key = truth.iter().filter(|(_, member)| member.key.as_deref() == Some(key));
            let of_key: Vec<Principal> = of_key.map(|(id, _)| *id).collect();
            prop_assert_eq!(directory.of_key("worker", key), of_key);
        }
    }
}
