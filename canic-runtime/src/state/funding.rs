//! Funding: the schedule of looks, what was granted today against which limits, the totals of the
//! last days, and what was refused.
//!
//! A day is one in UTC. The rows are in one table in stable memory, by a key of eight bits for the
//! kind and 56 for a number:
//!
//! ```text
//! 0 fleet    0                 Window
//! 1 role     the role's number Window
//! 2 member   its record id     Window
//! 3 day      days since 1970   Day
//! 4 refusal  0, 1, 2, ..       Refused
//! ```

use std::collections::{BTreeMap, VecDeque};

use candid::Principal;
use ic_stable_structures::StableBTreeMap;
use minicbor::{Decode, Encode};

use crate::{
    api::{GrantLimit, GrantPurpose},
    operation::{Charge, grant},
    stable::{
        memory::{self, Memory},
        record::{Cycles, Id, Record},
        record_store::RecordId,
    },
    state::schedule::Schedule,
};

/// Days of which root keeps the totals, today included.
pub(crate) const DAYS: usize = 30;

/// Refusals that root keeps.
const MAX_REFUSALS: usize = 100;

/// Windows of members that each charge looks at, and drops if their day is over.
const MAX_SWEPT: usize = 4;

/// What was charged against one limit in a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Window {
    #[n(0)]
    day: u32,
    #[n(1)]
    cycles: Cycles,
}

impl Window {
    /// What was charged on a day.
    fn on(&self, day: u32) -> u128 {
        if self.day == day { self.cycles.0 } else { 0 }
    }
}

/// The cycles granted on one day, by purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Day {
    #[n(0)]
    pub(crate) granted: BTreeMap<GrantPurpose, Cycles>,
    /// Grants.
    #[n(1)]
    pub(crate) grants: u64,
    /// Grants that were refused.
    #[n(2)]
    pub(crate) refusals: u64,
}

/// A grant that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Refused {
    /// Nanoseconds since the epoch.
    #[n(0)]
    pub(crate) at: u64,
    #[n(1)]
    pub(crate) canister: Id,
    #[n(2)]
    pub(crate) purpose: GrantPurpose,
    /// Cycles that were needed, or asked for.
    #[n(3)]
    pub(crate) cycles: Cycles,
    #[n(4)]
    pub(crate) limit: GrantLimit,
    /// Cycles that were left of the limit.
    #[n(5)]
    pub(crate) left: Cycles,
    /// When root tries again, or the caller may: nanoseconds since the epoch.
    #[n(6)]
    pub(crate) retry_at: u64,
    /// Refusals in a row for this canister, purpose and limit, of which this is the last.
    #[n(7)]
    pub(crate) times: u64,
}

#[derive(Clone, Debug, Encode, Decode)]
enum Row {
    #[n(0)]
    Window(#[n(0)] Window),
    #[n(1)]
    Day(#[n(0)] Day),
    #[n(2)]
    Refused(#[n(0)] Refused),
}

const FLEET: u8 = 0;
const ROLE: u8 = 1;
const MEMBER: u8 = 2;
const DAY: u8 = 3;
const REFUSAL: u8 = 4;

const fn key(kind: u8, number: u64) -> u64 {
    (kind as u64) << 56 | number
}

/// The state in which root last saw a member, if that is not simply running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Condition {
    /// It is stopped, or being stopped. It gets cycles nevertheless.
    Stopped,
    /// It has no cycles above its freezing threshold.
    Frozen,
    /// Root could not see it: it is no controller any more, or the canister is gone.
    Unseen,
    /// It needs cycles, and a limit keeps root from granting them.
    Refused,
}

/// The receiver of a grant, as limits know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Receiver {
    /// Its role's number.
    pub(crate) role: Option<u16>,
    /// Its record id. `None`: the limit of one member does not count.
    pub(crate) member: Option<RecordId>,
}

/// The limits of a day, in cycles. `None`: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) member: Option<u128>,
    pub(crate) role: Option<u128>,
    pub(crate) fleet: Option<u128>,
}

impl Limits {
    /// The smallest limit of a day: no single grant can be larger.
    pub(crate) fn largest_grant(&self) -> u128 {
        let all = [self.member, self.role, self.fleet];
        all.into_iter().flatten().min().unwrap_or(u128::MAX)
    }
}

/// What a limit leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) left: u128,
    pub(crate) limit: GrantLimit,
    pub(crate) max: u128,
}

/// All that root knows about its members' cycles.
pub(crate) struct Funding {
    pub(crate) schedule: Schedule,
    table: StableBTreeMap<u64, Record<Row>, Memory>,
    fleet: Window,
    roles: BTreeMap<u16, Window>,
    /// The members that got something on the last day on which any did.
    members: BTreeMap<RecordId, Window>,
    /// Where the next charge goes on to sweep `members`.
    swept: RecordId,
    days: BTreeMap<u32, Day>,
    refusals: VecDeque<(u64, Refused)>,
    /// The members that are not well. On the heap only: the next look at them tells it again.
    conditions: BTreeMap<RecordId, Condition>,
    /// The members that root is looking at, and since when. On the heap only.
    looks: BTreeMap<RecordId, u64>,
    /// When root last looked at canisters of the pool: nanoseconds since the epoch. On the heap
    /// only.
    pub(super) pool: BTreeMap<Principal, u64>,
}

impl Funding {
    /// Reads the tables from stable memory. `members`: the record ids of all members.
    pub(crate) fn open(schedule: u8, table: u8, members: impl Iterator<Item = RecordId>) -> Self {
        let mut funding = Self {
            schedule: Schedule::open(schedule, members),
            table: StableBTreeMap::init(memory::open(table)),
            fleet: Window::default(),
            roles: BTreeMap::new(),
            members: BTreeMap::new(),
            swept: 0,
            days: BTreeMap::new(),
            refusals: VecDeque::new(),
            conditions: BTreeMap::new(),
            looks: BTreeMap::new(),
            pool: BTreeMap::new(),
        };
        for row in funding.table.iter() {
            let number = *row.key() & ((1 << 56) - 1);
            match ((*row.key() >> 56) as u8, row.value().0) {
                (FLEET, Row::Window(window)) => funding.fleet = window,
                (ROLE, Row::Window(window)) => {
                    funding.roles.insert(number as u16, window);
                }
                (_, Row::Window(window)) => {
                    funding.members.insert(number as RecordId, window);
                }
                (_, Row::Day(day)) => {
                    funding.days.insert(number as u32, day);
                }
                (_, Row::Refused(refused)) => funding.refusals.push_back((number, refused)),
            }
        }
        funding
    }

    // Limits

    /// What the limits of the day leave a receiver: the smallest of them, with what root can spend.
    pub(crate) fn room(
        &self,
        receiver: Receiver,
        limits: Limits,
        available: u128,
        now: u64,
    ) -> Room {
        let day = grant::day(now);
        let window = |of: Option<&Window>| of.map_or(0, |window| window.on(day));
        let member = receiver.member.and_then(|id| self.members.get(&id));
        let role = receiver.role.and_then(|role| self.roles.get(&role));
        let of_day = [
            (GrantLimit::Member, limits.member, window(member)),
            (GrantLimit::Role, limits.role, window(role)),
            (GrantLimit::Budget, limits.fleet, self.fleet.on(day)),
        ];
        let rooms = of_day.into_iter().filter_map(|(limit, max, charged)| {
            let max = max?;
            let left = max.saturating_sub(charged);
            Some(Room { left, limit, max })
        });
        let reserve = Room {
            left: available,
            limit: GrantLimit::Reserve,
            max: available,
        };
        let smallest = rooms.min_by_key(|room| room.left);
        smallest
            .filter(|room| room.left <= available)
            .unwrap_or(reserve)
    }

    /// Charges a grant against the limits of the day, before root pays it.
    pub(crate) fn charge(&mut self, receiver: Receiver, cycles: u128, now: u64) -> Charge {
        let day = grant::day(now);
        self.sweep(day);
        self.change_windows(receiver, day, |charged| charged.saturating_add(cycles));
        Charge {
            day,
            cycles: Cycles(cycles),
        }
    }

    /// Takes back the part of a charge that was not granted, if its day is not over.
    pub(crate) fn discharge(&mut self, receiver: Receiver, day: u32, unused: u128) {
        if unused > 0 && self.fleet.day == day {
            self.change_windows(receiver, day, |charged| charged.saturating_sub(unused));
        }
    }

    fn change_windows(&mut self, receiver: Receiver, day: u32, change: impl Fn(u128) -> u128) {
        let changed = |before: Window| Window {
            day,
            cycles: Cycles(change(before.on(day))),
        };
        self.fleet = changed(self.fleet);
        self.write(key(FLEET, 0), Row::Window(self.fleet));
        if let Some(role) = receiver.role {
            let window = self.roles.entry(role).or_default();
            *window = changed(*window);
            let row = Row::Window(*window);
            self.write(key(ROLE, role.into()), row);
        }
        if let Some(member) = receiver.member {
            let window = self.members.entry(member).or_default();
            *window = changed(*window);
            let row = Row::Window(*window);
            self.write(key(MEMBER, member.into()), row);
        }
    }

    /// Looks at some windows of members, and drops those whose day is over.
    fn sweep(&mut self, day: u32) {
        let some = self.members.range(self.swept..).take(MAX_SWEPT);
        let some: Vec<(RecordId, u32)> = some.map(|(id, window)| (*id, window.day)).collect();
        self.swept = match some.last() {
            Some((last, _)) if some.len() == MAX_SWEPT => last + 1,
            _ => 0,
        };
        for (id, _) in some.into_iter().filter(|(_, of)| *of < day) {
            self.members.remove(&id);
            self.table.remove(&key(MEMBER, id.into()));
        }
    }

    fn write(&mut self, key: u64, row: Row) {
        self.table.insert(key, Record(row));
    }

    /// Forgets a member that root has retired.
    pub(crate) fn forget(&mut self, member: RecordId) {
        self.schedule.remove(member);
        self.conditions.remove(&member);
        self.looks.remove(&member);
        if self.members.remove(&member).is_some() {
            self.table.remove(&key(MEMBER, member.into()));
        }
    }

    // Totals

    /// Adds what was granted to the day's totals.
    pub(crate) fn record(&mut self, purpose: GrantPurpose, cycles: u128, now: u64) {
        self.change_day(now, |day| {
            day.granted.entry(purpose).or_default().0 += cycles;
            day.grants += 1;
        });
    }

    fn change_day(&mut self, now: u64, change: impl FnOnce(&mut Day)) {
        let number = grant::day(now);
        let day = self.days.entry(number).or_default();
        change(day);
        let row = Row::Day(day.clone());
        self.write(key(DAY, number.into()), row);
        while self.days.len() > DAYS
            && let Some((old, _)) = self.days.pop_first()
        {
            self.table.remove(&key(DAY, old.into()));
        }
    }

    /// Adds a refusal. One that repeats the last for the same canister replaces it.
    pub(crate) fn refuse(&mut self, mut refused: Refused) {
        self.change_day(refused.at, |day| day.refusals += 1);
        let same = |(_, other): &(u64, Refused)| {
            (other.canister, other.purpose, other.limit)
                == (refused.canister, refused.purpose, refused.limit)
        };
        let next = self.refusals.back().map_or(0, |(number, _)| number + 1);
        if let Some(index) = self.refusals.iter().position(same)
            && let Some((number, before)) = self.refusals.remove(index)
        {
            refused.times = before.times + 1;
            self.table.remove(&key(REFUSAL, number));
        } else if self.refusals.len() >= MAX_REFUSALS
            && let Some((number, _)) = self.refusals.pop_front()
        {
            self.table.remove(&key(REFUSAL, number));
        }
        self.write(key(REFUSAL, next), Row::Refused(refused.clone()));
        self.refusals.push_back((next, refused));
    }

    /// The totals of the last [`DAYS`] days up to now, oldest first: the day's number since 1970,
    /// and its grants. Days without grants are not among them.
    pub(crate) fn days(&self, now: u64) -> impl Iterator<Item = (u32, &Day)> {
        let first = grant::day(now).saturating_sub(DAYS as u32 - 1);
        self.days.range(first..).map(|(day, total)| (*day, total))
    }

    /// What was refused, oldest first.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = &Refused> {
        self.refusals.iter().map(|(_, refused)| refused)
    }

    /// Cycles charged today against the budget of the fleet.
    pub(crate) fn charged_today(&self, now: u64) -> u128 {
        self.fleet.on(grant::day(now))
    }

    // Looks

    /// Notes that root looks at a member now.
    pub(super) fn begin_look(&mut self, member: RecordId, now: u64) {
        self.looks.insert(member, now);
    }

    /// Notes how root saw a member.
    pub(super) fn end_look(&mut self, member: RecordId, condition: Option<Condition>) {
        self.looks.remove(&member);
        match condition {
            Some(condition) => drop(self.conditions.insert(member, condition)),
            None => drop(self.conditions.remove(&member)),
        }
    }

    /// The state in which root last saw a member. `None`: it runs and has enough.
    pub(crate) fn condition(&self, member: RecordId) -> Option<Condition> {
        self.conditions.get(&member).copied()
    }

    /// The members that are not well, and their conditions.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (RecordId, Condition)> {
        self.conditions
            .iter()
            .map(|(id, condition)| (*id, *condition))
    }

    /// The members whose look has gone on for so many nanoseconds without an answer.
    pub(crate) fn slow(&self, now: u64, nanoseconds: u64) -> usize {
        let since = self.looks.values();
        since
            .filter(|since| now.saturating_sub(**since) >= nanoseconds)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_NS: u64 = grant::DAY * 1_000_000_000;
    const CANISTER: Principal = Principal::from_slice(&[9, 1]);

    fn open() -> Funding {
        Funding::open(212, 213, [].into_iter())
    }

    fn fresh() -> Funding {
        memory::forget();
        open()
    }

    fn receiver(role: u16, member: RecordId) -> Receiver {
        Receiver {
            role: Some(role),
            member: Some(member),
        }
    }

    const LIMITS: Limits = Limits {
        member: Some(10),
        role: Some(25),
        fleet: Some(40),
    };

    fn left(funding: &Funding, to: Receiver, now: u64) -> (u128, GrantLimit) {
        let room = funding.room(to, LIMITS, 1_000, now);
        (room.left, room.limit)
    }

    #[test]
    fn each_limit_counts_what_was_charged_on_its_day() {
        let mut funding = fresh();
        let last = 5 * DAY_NS - 1;
        assert_eq!(
            left(&funding, receiver(1, 1), last),
            (10, GrantLimit::Member)
        );
        funding.charge(receiver(1, 1), 10, last);
        assert_eq!(left(&funding, receiver(1, 1), last).0, 0);
        funding.charge(receiver(1, 2), 10, last);
        assert_eq!(left(&funding, receiver(1, 3), last), (5, GrantLimit::Role));
        funding.charge(receiver(2, 4), 10, last);
        funding.charge(receiver(2, 5), 5, last);
        assert_eq!(
            left(&funding, receiver(2, 6), last),
            (5, GrantLimit::Budget)
        );
        assert_eq!(
            left(&funding, Receiver::default(), last),
            (5, GrantLimit::Budget)
        );
        let poor = funding.room(Receiver::default(), LIMITS, 4, last);
        assert_eq!((poor.left, poor.limit), (4, GrantLimit::Reserve));
        // The same after an upgrade, and nothing of it on the next day.
        let mut again = open();
        assert_eq!(left(&again, receiver(1, 3), last), (5, GrantLimit::Role));
        assert_eq!(left(&again, receiver(1, 1), last + 1).0, 10);
        assert_eq!(
            (again.charged_today(last), again.charged_today(last + 1)),
            (35, 0)
        );
        again.forget(1);
        assert_eq!(left(&open(), receiver(9, 1), last), (5, GrantLimit::Budget));
    }

    #[test]
    fn a_charge_that_was_not_granted_is_free_again_on_its_day_only() {
        let mut funding = fresh();
        let charge = funding.charge(receiver(1, 1), 10, 0);
        funding.discharge(receiver(1, 1), charge.day, 4);
        assert_eq!(left(&funding, receiver(1, 1), 0), (4, GrantLimit::Member));
        funding.charge(receiver(1, 2), 9, DAY_NS);
        funding.discharge(receiver(1, 1), charge.day, 6);
        assert_eq!(funding.charged_today(DAY_NS), 9);
    }

    #[test]
    fn windows_of_members_are_swept_after_their_day() {
        let mut funding = fresh();
        for id in 0..20 {
            funding.charge(receiver(1, id), 1, 0);
        }
        for _ in 0..20 {
            funding.charge(receiver(1, 7), 1, DAY_NS);
        }
        let ids: Vec<_> = funding.members.keys().copied().collect();
        assert_eq!(ids, [7]);
        assert_eq!(open().members.len(), 1);
    }

    #[test]
    fn totals_are_kept_for_30_days_by_purpose() {
        let mut funding = fresh();
        for day in 0..40 {
            funding.record(GrantPurpose::Watch, 5, day * DAY_NS);
            funding.record(GrantPurpose::Pool, 7, day * DAY_NS);
        }
        for funding in [funding, open()] {
            let days: Vec<_> = funding.days(39 * DAY_NS).collect();
            assert_eq!((days.len(), days[0].0, days[29].0), (30, 10, 39));
            assert_eq!(days[3].1.granted[&GrantPurpose::Pool], Cycles(7));
            assert_eq!(days[3].1.grants, 2);
            assert_eq!(funding.days(100 * DAY_NS).count(), 0);
        }
    }

    #[test]
    fn refusals_are_kept_in_order_and_repeated_ones_once() {
        let mut funding = fresh();
        let refused = |at, canister, limit| Refused {
            at,
            canister: Id(canister),
            purpose: GrantPurpose::Watch,
            cycles: Cycles(3),
            limit,
            left: Cycles(1),
            retry_at: at + 1,
            times: 1,
        };
        for at in 0..3 {
            funding.refuse(refused(at, CANISTER, GrantLimit::Role));
            funding.refuse(refused(at, CANISTER, GrantLimit::Reserve));
        }
        let told = |funding: &Funding| -> Vec<(u64, GrantLimit, u64)> {
            let all = funding.refusals();
            all.map(|it| (it.at, it.limit, it.times)).collect()
        };
        let expected = [(2, GrantLimit::Role, 3), (2, GrantLimit::Reserve, 3)];
        assert_eq!(told(&funding), expected);
        assert_eq!(told(&open()), expected);
        for number in 0..200_u8 {
            let other = Principal::from_slice(&[number, 2]);
            funding.refuse(refused(9, other, GrantLimit::Role));
        }
        assert_eq!(funding.refusals().count(), MAX_REFUSALS);
        assert_eq!(told(&open()), told(&funding));
    }

    proptest! {
        #[test]
        fn no_limit_of_a_day_is_ever_exceeded(
            deeds in prop::collection::vec(
                (0_u16..3, 0_u32..6, 0_u128..15, 0_u64..4, any::<bool>()),
                1..100,
            ),
        ) {
            let mut funding = fresh();
            let mut now = 0;
            let mut given: BTreeMap<(u64, u8, u64), u128> = BTreeMap::new();
            for (role, member, cycles, hours, fails) in deeds {
                now += hours * DAY_NS / 4;
                let to = receiver(role, member + 10 * RecordId::from(role));
                if funding.room(to, LIMITS, 1_000, now).left < cycles {
                    continue;
                }
                let charge = funding.charge(to, cycles, now);
                if fails {
                    funding.discharge(to, charge.day, cycles);
                    continue;
                }
                let day = now / DAY_NS;
                let member = u64::from(member) + 10 * u64::from(role);
                for (kind, number, max) in
                    [(0, 0, 40), (1, role.into(), 25), (2, member, 10)]
                {
                    let sum = given.entry((day, kind, number)).or_default();
                    *sum += cycles;
                    prop_assert!(*sum <= max);
                }
            }
        }
    }
}
