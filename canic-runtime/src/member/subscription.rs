//! What a member knows about other members: its children and those that its role watches, because root announces them, and
//! those that it asked about.
//!
//! It lives on the heap. A member that finds that it missed something, after an upgrade for one, asks root for pages of all
//! that concerns it, and until it has them it knows nothing for certain.

use crate::{
    api::{Announcement, CatchUpCursor, CatchUpPage, CatchUpRequest, Change, Denied, MemberRef},
    codec::decode::decode_args,
    endpoint::access::Cached,
    member::identity::{self, Listening},
    platform::ic::{self, Level, TimerId},
};
use candid::Principal;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
    time::Duration,
};

/// For how long what was told counts without asking root again, in nanoseconds: five minutes, as in root.
const LEASE: u64 = crate::api::LEASE;

/// For how long a member that was just made counts before root announces it.
const UNTIL_ANNOUNCED: u64 = 60_000_000_000;

/// How many members may be known by asking before those whose time is over are dropped.
const MANY: usize = 1_000;

/// How long to wait before root is asked again for what is missing.
const PAUSE: Duration = Duration::from_secs(10);

/// What is known about a member.
struct Entry {
    standing: MemberRef,
    /// The change that told it; none: it was asked for, and does not count any more after [`until`](Self::until).
    number: Option<u64>,
    /// Nanoseconds since the epoch.
    until: u64,
}

/// Members that are known, found by key and by parent as well.
struct Members {
    entries: BTreeMap<Principal, Entry>,
    by_key: BTreeSet<(String, String, Principal)>,
    by_parent: BTreeSet<(Principal, Principal)>,
}

impl Members {
    const NONE: Self = Self {
        entries: BTreeMap::new(),
        by_key: BTreeSet::new(),
        by_parent: BTreeSet::new(),
    };

    fn get(&self, canister: Principal) -> Option<&Entry> {
        self.entries.get(&canister)
    }

    fn insert(&mut self, canister: Principal, entry: Entry) {
        self.remove(canister);
        let MemberRef { role, parent, key } = &entry.standing;
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
        let MemberRef { role, parent, key } = entry.standing;
        if let Some(key) = key {
            self.by_key.remove(&(role, key, canister));
        }
        self.by_parent.remove(&(parent, canister));
    }

    /// Forgets what was asked for and does not count any more.
    fn drop_what_is_over(&mut self, now: u64) {
        let over = |(_, entry): &(&Principal, &Entry)| entry.number.is_none() && entry.until <= now;
        let over: Vec<Principal> = self
            .entries
            .iter()
            .filter(over)
            .map(|(id, _)| *id)
            .collect();
        for canister in over {
            self.remove(canister);
        }
    }

    /// Those that a key means; it is one, unless something has not been heard yet.
    fn of_key(&self, role: &str, key: &str) -> impl Iterator<Item = (Principal, &Entry)> {
        let nobody = Principal::management_canister();
        let from = (role.to_string(), key.to_string(), nobody);
        let (role, key) = (from.0.clone(), from.1.clone());
        self.by_key
            .range(from..)
            .take_while(move |(a, b, _)| (a, b) == (&role, &key))
            .filter_map(|(.., canister)| Some((*canister, self.get(*canister)?)))
    }

    /// Those below a parent, in the order of their ids.
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

/// How much is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// All that was announced up to a number.
    Current,
    /// Something was missed; the first page has not come.
    Behind,
    /// Pages come.
    CatchingUp,
}

struct Knowledge {
    known: Members,
    heard: u64,
    state: State,
    /// The last change that was announced, and not taken up because pages are to tell it.
    missed: u64,
    /// Members that were told to be gone while pages come: a page may be older than that.
    gone: BTreeMap<Principal, u64>,
    asking: bool,
}

thread_local! {
    static KNOWLEDGE: RefCell<Knowledge> = const { RefCell::new(Knowledge::NONE) };
    /// What tries to catch up as long as something is missing.
    static AGAIN: Cell<Option<TimerId>> = const { Cell::new(None) };
}

fn with<R>(f: impl FnOnce(&mut Knowledge) -> R) -> R {
    KNOWLEDGE.with_borrow_mut(f)
}

impl Knowledge {
    const NONE: Self = Self {
        known: Members::NONE,
        heard: 0,
        state: State::Current,
        missed: 0,
        gone: BTreeMap::new(),
        asking: false,
    };

    /// Takes a change up, unless something newer is known.
    fn learn(&mut self, change: Change, now: u64) {
        let number = Some(change.number);
        let known = self.known.get(change.canister);
        let gone = self.gone.get(&change.canister).copied();
        if known.and_then(|entry| entry.number).max(gone) > number {
            return;
        }
        match change.now {
            Some(standing) => {
                let until = now + LEASE;
                let entry = Entry {
                    standing,
                    number,
                    until,
                };
                self.known.insert(change.canister, entry);
            }
            None => {
                self.known.remove(change.canister);
                if self.state == State::CatchingUp {
                    self.gone.insert(change.canister, change.number);
                }
            }
        }
    }

    /// Forgets everything that was announced, to learn it anew.
    fn fall_behind(&mut self) {
        self.state = State::Behind;
        self.known = Members::NONE;
        self.gone.clear();
    }

    /// Takes a page up; answers where to go on. A page that is older than what it should tell, or that belongs to an earlier
    /// try, says nothing.
    fn page(&mut self, is_first: bool, page: CatchUpPage, now: u64) -> Option<CatchUpCursor> {
        if self.state == State::Behind {
            if !is_first || page.upto < self.missed {
                return None;
            }
            self.state = State::CatchingUp;
            self.heard = page.upto;
        }
        for change in page.changes {
            self.learn(change, now);
        }
        if page.next.is_none() {
            self.state = State::Current;
            self.gone.clear();
        }
        page.next
    }

    fn standing(&self, canister: Principal, now: u64) -> Option<(MemberRef, bool)> {
        let entry = self.known.get(canister)?;
        let fresh = entry.until > now;
        (fresh || entry.number.is_some()).then(|| (entry.standing.clone(), fresh))
    }

    /// Remembers what was not announced.
    fn remember(&mut self, canister: Principal, standing: Option<MemberRef>, until: u64, now: u64) {
        let Some(standing) = standing else {
            self.known.remove(canister);
            return;
        };
        let number = self.known.get(canister).and_then(|entry| entry.number);
        let entry = Entry {
            standing,
            number,
            until,
        };
        self.known.insert(canister, entry);
        if self.known.entries.len().is_multiple_of(MANY) {
            self.known.drop_what_is_over(now);
        }
    }

    /// Takes an announcement up. Answers whether something was missed.
    fn hear(&mut self, announcement: Announcement, now: u64) -> bool {
        if announcement.after > self.heard {
            self.fall_behind();
        }
        if self.state == State::Behind {
            // The first page tells all this.
            self.missed = self.missed.max(announcement.upto);
            return true;
        }
        for change in announcement.changes {
            if change.number > self.heard {
                self.learn(change, now);
            }
        }
        self.heard = self.heard.max(announcement.upto);
        false
    }
}

/// Takes notice of what root announces, from now on. In an update: what was missed is asked for.
pub fn listen() {
    identity::listen(Listening {
        hear,
        known: |canister| match standing(canister) {
            Some((standing, true)) => Cached::Fresh(Some(standing)),
            Some((standing, false)) => Cached::Stale(standing),
            None => Cached::Unknown,
        },
        forgot: || {
            with(Knowledge::fall_behind);
            catch_up_soon();
        },
    });
}

fn hear(argument: Vec<u8>) -> Result<(), String> {
    let (mut announcement,): (Announcement,) = decode_args(argument)?;
    // What became of this member itself, it learns by `canic_sync`.
    announcement
        .changes
        .retain(|change| change.canister != ic::this());
    let now = ic::now();
    if with(|knowledge| knowledge.hear(announcement, now)) {
        catch_up_soon();
    }
    Ok(())
}

/// Catches up now, and tries it again as long as something is missing. A timer that runs once can be lost, with the message that it
/// sends; the one that does not is there before.
fn catch_up_soon() {
    if AGAIN.get().is_none() {
        let timer = ic::every(PAUSE, || ic::spawn(try_to_catch_up()));
        AGAIN.set(Some(timer));
    }
    ic::after(Duration::ZERO, try_to_catch_up());
}

async fn try_to_catch_up() {
    if let Err(reason) = catch_up().await {
        ic::log(
            Level::Warn,
            format_args!("root was not reached to catch up: {reason:.200}"),
        );
    }
    if with(|knowledge| knowledge.state == State::Current) {
        AGAIN.take().into_iter().for_each(ic::cancel);
    }
}

/// The mark that a task asks for pages. It goes when the task does.
struct Asking;

impl Drop for Asking {
    fn drop(&mut self) {
        with(|knowledge| knowledge.asking = false);
    }
}

/// Asks root for pages until all is known that concerns this member.
///
/// # Errors
///
/// The reason why root did not answer.
async fn catch_up() -> Result<(), String> {
    if with(|knowledge| std::mem::replace(&mut knowledge.asking, true)) {
        return Ok(());
    }
    let _asking = Asking;
    let mut after = None;
    while with(|knowledge| knowledge.state != State::Current) {
        if with(|knowledge| knowledge.state == State::Behind) {
            after = None;
        }
        let is_first = after.is_none();
        let request = CatchUpRequest { after };
        let page: Result<CatchUpPage, Denied> =
            crate::fleet::ask_root("canic_catch_up", &request).await?;
        let page = page.map_err(|denied| denied.to_string())?;
        let now = ic::now();
        after = with(|knowledge| knowledge.page(is_first, page, now));
    }
    Ok(())
}

/// What is known about a canister, and whether it was told so lately that root need not be asked.
pub(crate) fn standing(canister: Principal) -> Option<(MemberRef, bool)> {
    let now = ic::now();
    with(|knowledge| knowledge.standing(canister, now))
}

/// A question to root about a canister.
pub(crate) struct Question {
    asked: u64,
    heard: u64,
}

impl Question {
    pub(crate) fn new() -> Self {
        Self {
            asked: ic::now(),
            heard: with(|knowledge| knowledge.heard),
        }
    }

    /// Relies on the answer for a while; unless root has announced something since, which may be newer.
    pub(crate) fn answered(self, canister: Principal, standing: Option<&MemberRef>) {
        if with(|knowledge| knowledge.heard) == self.heard {
            remember(canister, standing.cloned(), self.asked + LEASE);
        }
    }
}

/// A member was just made, or found to be there: it counts until it is announced.
pub(crate) fn made(canister: Principal, standing: MemberRef) {
    let known = with(|knowledge| knowledge.known.get(canister).is_some());
    if !known {
        remember(canister, Some(standing), ic::now() + UNTIL_ANNOUNCED);
    }
}

fn remember(canister: Principal, standing: Option<MemberRef>, until: u64) {
    let now = ic::now();
    with(|knowledge| knowledge.remember(canister, standing, until, now));
}

/// The members that are known below this one, by canister.
///
/// # Errors
///
/// The reason why root did not answer, where something was missed.
pub(crate) async fn children(
    after: Option<Principal>,
    limit: usize,
) -> Result<Vec<(Principal, MemberRef)>, String> {
    listen();
    catch_up().await?;
    let (this, now) = (ic::this(), ic::now());
    Ok(with(|knowledge| {
        let below = knowledge.known.below(this, after);
        below
            .filter(|(_, entry)| entry.number.is_some() || entry.until > now)
            .map(|(canister, entry)| (canister, entry.standing.clone()))
            .take(limit)
            .collect()
    }))
}

/// The member that a key means, if it is among those that root announces.
pub(crate) fn lookup(role: &str, key: &str) -> Option<Principal> {
    with(|knowledge| {
        let mut found = knowledge.known.of_key(role, key);
        let announced = found.find(|(_, entry)| entry.number.is_some());
        announced.map(|(canister, _)| canister)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        operation::Position,
        stable::{memory, record::Id},
        state::outbox::Outbox,
    };
    use proptest::prelude::*;

    const LISTENER: Principal = Principal::from_slice(&[200, 1]);

    fn id(n: u8) -> Principal {
        Principal::from_slice(&[n, 1])
    }

    /// What happens to a root and a member that it announces to.
    #[derive(Clone, Debug)]
    enum Event {
        /// Something becomes of a canister: it is here, with a key, or gone.
        Change(u8, Option<u8>),
        /// Root tells what it has; the answer comes back or not.
        Tell(bool),
        /// Root has kept too much.
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
            3 => any::<bool>().prop_map(Event::Tell),
            1 => Just(Event::Overflow),
            3 => Just(Event::Ask),
            3 => Just(Event::Page),
            1 => Just(Event::Upgrade),
        ]
    }

    /// A root that tells, and a member that listens.
    struct World {
        all: Outbox,
        number: u64,
        truth: BTreeMap<Principal, Position>,
        member: Knowledge,
        /// Where the member goes on asking, and the page that is on its way.
        after: Option<CatchUpCursor>,
        page: Option<(bool, CatchUpPage)>,
    }

    impl World {
        fn happens(&mut self, event: Event) {
            match event {
                Event::Change(n, key) => {
                    self.number += 1;
                    let place = key.map(|key| Position {
                        key: Some(key.to_string()),
                        ..Position::sample(LISTENER)
                    });
                    match &place {
                        Some(place) => drop(self.truth.insert(id(n), place.clone())),
                        None => drop(self.truth.remove(&id(n))),
                    }
                    self.all.push(LISTENER, self.number, id(n), place);
                }
                Event::Tell(answered) => {
                    if let Some(announcement) = self.all.announcement(LISTENER) {
                        let upto = announcement.upto;
                        self.member.hear(announcement, 0);
                        if answered {
                            self.all.ack(LISTENER, upto);
                        }
                    }
                }
                Event::Overflow => {
                    let last = self.all.last(LISTENER);
                    self.all.ack(LISTENER, last);
                }
                Event::Ask => {
                    if self.member.state != State::Current && self.page.is_none() {
                        if self.member.state == State::Behind {
                            self.after = None;
                        }
                        self.page = Some((self.after.is_none(), self.page_after(self.after)));
                    }
                }
                Event::Page => {
                    if let Some((is_first, page)) = self.page.take() {
                        self.after = self.member.page(is_first, page, 0);
                    }
                }
                Event::Upgrade => {
                    self.member = Knowledge::NONE;
                    self.member.fall_behind();
                    self.page = None;
                }
            }
        }

        /// As root makes it, with two rows.
        fn page_after(&self, after: Option<CatchUpCursor>) -> CatchUpPage {
            let upto = self.all.last(LISTENER);
            let rows = self.truth.iter();
            let rows =
                rows.filter(|(canister, _)| after.is_none_or(|after| **canister > after.canister));
            let mut changes: Vec<Change> = rows
                .map(|(canister, place)| Change {
                    number: upto,
                    canister: *canister,
                    now: Some(place.clone().into()),
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
        /// Whatever is lost, repeated, or comes late: in the end a member knows what is true.
        #[test]
        fn what_is_known_in_the_end_is_true(events in prop::collection::vec(event(), 1..80)) {
            memory::forget();
            let mut world = World {
                all: Outbox::open(0, 1, 2),
                number: 0,
                truth: BTreeMap::new(),
                member: Knowledge::NONE,
                after: None,
                page: None,
            };
            for event in events {
                world.happens(event);
            }
            // One more change, since what was dropped shows with the next one.
            world.happens(Event::Change(7, Some(0)));
            for _ in 0..20 {
                world.happens(Event::Tell(true));
                world.happens(Event::Ask);
                world.happens(Event::Page);
            }
            prop_assert!(world.member.state == State::Current);
            let known: BTreeMap<Principal, MemberRef> =
                world.member.known.entries.iter().map(|(id, entry)| (*id, entry.standing.clone())).collect();
            let truth: BTreeMap<Principal, MemberRef> =
                world.truth.iter().map(|(id, place)| (*id, place.clone().into())).collect();
            prop_assert_eq!(&known, &truth);
            let known = &world.member.known;
            let below: Vec<Principal> = known.below(LISTENER, None).map(|(id, _)| id).collect();
            prop_assert_eq!(below, truth.keys().copied().collect::<Vec<_>>());
            for key in ["0", "1", "2"] {
                let found: Vec<Principal> = known.of_key("worker", key).map(|(id, _)| id).collect();
                let of_key = truth.iter().filter(|(_, one)| one.key.as_deref() == Some(key));
                prop_assert_eq!(found, of_key.map(|(id, _)| *id).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_page_that_is_older_than_what_was_missed_says_nothing() {
        let mut member = Knowledge::NONE;
        let empty = |after, upto| Announcement {
            after,
            upto,
            changes: Vec::new(),
        };
        assert!(member.hear(empty(3, 5), 0), "something was missed");
        let page = |upto| CatchUpPage {
            upto,
            changes: Vec::new(),
            next: None,
        };
        member.page(true, page(4), 0);
        assert!(member.state == State::Behind);
        member.page(true, page(5), 0);
        assert!(member.state == State::Current && member.heard == 5);
    }

    #[test]
    fn what_was_asked_for_counts_for_its_time_and_what_was_announced_is_not_asked_again() {
        let standing = MemberRef::from(Position {
            parent: Id(LISTENER),
            ..Position::sample(LISTENER)
        });
        let mut member = Knowledge::NONE;
        let change = Change {
            number: 1,
            canister: id(1),
            now: Some(standing.clone()),
        };
        member.learn(change, 0);
        member.remember(id(2), Some(standing), LEASE, 0);
        let fresh = |canister, now| member.standing(canister, now).map(|(_, fresh)| fresh);
        assert_eq!(
            (fresh(id(1), LEASE - 1), fresh(id(2), LEASE - 1)),
            (Some(true), Some(true))
        );
        assert_eq!(
            (fresh(id(1), LEASE), fresh(id(2), LEASE)),
            (Some(false), None)
        );
    }
}
