//! The registry: the members by canister, role, parent and key, and the counts of taken positions.
//!
//! The members' records are in stable memory. The indexes and counts are on the heap; opening the
//! registry rebuilds them from the records. A lookup or a change costs O(log n). Besides opening,
//! only the pages of a list walk through members.
//!
//! A position is taken from the moment that root accepts an operation for it.

mod keys;
mod principal_key;
mod row;

pub(crate) use row::{KeptSnapshot, Member, MemberStatus};

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included, Unbounded},
};

use candid::Principal;
use ic_stable_structures::{StableBTreeMap, Storable, storable::Bound};
use minicbor::{Decode, Encode};

use crate::{
    api::{MAX_ROLE, MemberRef},
    operation::{Hash, Position},
    stable::{
        memory::{self, Memory},
        record::{self, Id, Record},
        record_store::{RecordId, RecordStore},
    },
    state::releases::Releases,
};
use keys::Keys;
use principal_key::PrincipalKey;
use row::{Facts, Row};

/// A role's record. Its limits are in the configuration.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Role {
    /// The role's number, which members' records and indexes use instead of its name.
    #[n(0)]
    pub(crate) number: u16,
    /// Positions taken in the role. On the heap only.
    #[cbor(skip)]
    pub(crate) taken: u32,
    #[n(2)]
    pub(crate) releases: Releases,
}

impl Role {
    /// The module that new members get.
    pub(crate) fn module(&self) -> Option<Hash> {
        self.releases.current().map(|release| release.module)
    }
}

/// The holder of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// An operation that has not made the member yet.
    Operation(u64),
    Member(Principal),
}

/// A text of `MAX` bytes at most in stable memory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<const MAX: usize>(String);

impl<const MAX: usize> Storable for Text<MAX> {
    const BOUND: Bound = Bound::Bounded {
        max_size: MAX as u32,
        is_fixed_size: false,
    };

    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }

    fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    fn from_bytes(bytes: Cow<'_, [u8]>) -> Self {
        match String::from_utf8(bytes.into_owned()) {
            Ok(text) => Self(text),
            Err(_) => panic!("canic: corrupt text in stable memory"),
        }
    }
}

/// All members, roles and taken positions.
pub(crate) struct Registry {
    rows: RecordStore<Row, 96>,
    role_table: StableBTreeMap<Text<MAX_ROLE>, Record<Role>, Memory>,
    /// A copy of the role table, with the counts of positions.
    roles: BTreeMap<String, Role>,
    names: BTreeMap<u16, String>,
    /// The record ids of the members.
    members: BTreeMap<PrincipalKey, RecordId>,
    by_role: BTreeSet<(u16, PrincipalKey)>,
    by_parent: BTreeSet<(PrincipalKey, PrincipalKey)>,
    keys: Keys,
    /// Positions taken below each parent, by role.
    below: BTreeMap<(PrincipalKey, u16), u32>,
    counts: Counts,
    /// Positions taken in all roles.
    taken: u64,
}

/// Members by facts of their records.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    /// By role and release.
    on_release: BTreeMap<(u16, u32), u32>,
    /// Those with a snapshot that a rollout keeps, by role and the release in the snapshot.
    snapshots: BTreeMap<(u16, u32), u32>,
    /// Those that root left on probation, by role.
    on_probation: BTreeMap<u16, u32>,
}

impl Counts {
    fn add(&mut self, member: &Member) {
        let release = (member.role, member.release);
        *self.on_release.entry(release).or_default() += 1;
        if let Some(kept) = &member.snapshot {
            let kept = (member.role, kept.release);
            *self.snapshots.entry(kept).or_default() += 1;
        }
        if member.on_probation {
            *self.on_probation.entry(member.role).or_default() += 1;
        }
    }

    fn remove(&mut self, member: &Member) {
        decrement(&mut self.on_release, (member.role, member.release));
        if let Some(kept) = &member.snapshot {
            decrement(&mut self.snapshots, (member.role, kept.release));
        }
        if member.on_probation {
            decrement(&mut self.on_probation, member.role);
        }
    }
}

/// A count of equal keys, most of which come one after the other: they are counted before they are
/// put into a tree.
struct Tally<K> {
    counts: BTreeMap<K, u32>,
    last: Option<(K, u32)>,
}

impl<K: Ord + Copy> Tally<K> {
    fn new() -> Self {
        Self {
            counts: BTreeMap::new(),
            last: None,
        }
    }

    fn add(&mut self, key: K) {
        match &mut self.last {
            Some((last, count)) if *last == key => *count += 1,
            _ => {
                self.put_last();
                self.last = Some((key, 1));
            }
        }
    }

    fn put_last(&mut self) {
        if let Some((key, count)) = self.last.take() {
            *self.counts.entry(key).or_default() += count;
        }
    }

    fn finish(mut self) -> BTreeMap<K, u32> {
        self.put_last();
        self.counts
    }
}

/// What the records say, before it is in the registry's trees.
struct Found {
    members: Vec<(PrincipalKey, RecordId)>,
    by_role: Vec<(u16, PrincipalKey)>,
    by_parent: Vec<(PrincipalKey, PrincipalKey)>,
    keys: Vec<(u64, RecordId)>,
    awaited: BTreeMap<(u16, String), u64>,
    below: Tally<(PrincipalKey, u16)>,
    on_release: Tally<(u16, u32)>,
    snapshots: Tally<(u16, u32)>,
    on_probation: Tally<u16>,
}

impl Found {
    fn new() -> Self {
        Self {
            members: Vec::new(),
            by_role: Vec::new(),
            by_parent: Vec::new(),
            keys: Vec::new(),
            awaited: BTreeMap::new(),
            below: Tally::new(),
            on_release: Tally::new(),
            snapshots: Tally::new(),
            on_probation: Tally::new(),
        }
    }

    fn add(&mut self, record_id: RecordId, row: &Facts<'_>) {
        let role = row.role;
        let id = PrincipalKey::of_id(row.canister);
        let parent = PrincipalKey::of_id(row.parent);
        self.members.push((id, record_id));
        self.by_role.push((role, id));
        self.by_parent.push((parent, id));
        self.below.add((parent, role));
        self.on_release.add((role, row.release));
        if let Some(release) = row.kept {
            self.snapshots.add((role, release));
        }
        if row.on_probation {
            self.on_probation.add(role);
        }
        match (row.key, row.status) {
            (Some(key), MemberStatus::Installing) => {
                self.awaited.insert((role, key.to_string()), row.operation);
            }
            (Some(key), _) => self.keys.push((Keys::hash(role, key), record_id)),
            (None, _) => {}
        }
    }
}

impl Registry {
    /// Reads the registry from stable memory.
    pub(crate) fn open(rows: u8, roles: u8) -> Self {
        let role_table: StableBTreeMap<Text<MAX_ROLE>, Record<Role>, Memory> =
            StableBTreeMap::init(memory::open(roles));
        let (mut roles, mut names) = (BTreeMap::new(), BTreeMap::new());
        for entry in role_table.iter() {
            let (name, role) = (entry.key().0.clone(), entry.value().0);
            names.insert(role.number, name.clone());
            roles.insert(name, role);
        }
        let mut found = Found::new();
        let rows = RecordStore::open(rows, |record_id, row| match Facts::read(row) {
            Ok(facts) => found.add(record_id, &facts),
            Err(error) => record::corrupt(error.0),
        });
        let on_release = found.on_release.finish();
        for ((number, _), count) in &on_release {
            if let Some(role) = names.get(number).and_then(|name| roles.get_mut(name)) {
                role.taken += count;
            }
        }
        // Trees of sorted lists cost less than those that grow.
        Self {
            rows,
            role_table,
            taken: found.members.len() as u64,
            roles,
            names,
            members: found.members.into_iter().collect(),
            by_role: found.by_role.into_iter().collect(),
            by_parent: found.by_parent.into_iter().collect(),
            keys: Keys::new(found.awaited, found.keys),
            below: found.below.finish(),
            counts: Counts {
                on_release,
                snapshots: found.snapshots.finish(),
                on_probation: found.on_probation.finish(),
            },
        }
    }

    /// Writes a member's row, and indexes it.
    fn write(&mut self, canister: Principal, member: Member) {
        let row = Row {
            canister: Id(canister),
            member,
        };
        let old = self.members.get(&canister.into()).copied();
        if let Some(before) = old.map(|record_id| self.rows.get(record_id).member) {
            self.counts.remove(&before);
        }
        let record_id = self.rows.put(old, &row);
        self.index(canister, record_id, &row.member);
    }

    /// Adds a member with its record to the indexes. Its position is taken already.
    fn index(&mut self, canister: Principal, record_id: RecordId, member: &Member) {
        let id = PrincipalKey::from(canister);
        self.counts.add(member);
        if self.members.insert(id, record_id).is_none() {
            self.by_role.insert((member.role, id));
            self.by_parent.insert((member.parent.0.into(), id));
        }
        // During the install the operation holds the key.
        if let (Some(key), true) = (&member.key, member.status != MemberStatus::Installing) {
            self.keys.give_to_member(member.role, key, record_id);
        }
    }

    // Roles

    pub(crate) fn role(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    pub(crate) fn role_name(&self, number: u16) -> &str {
        self.names.get(&number).map_or("", String::as_str)
    }

    pub(crate) fn roles(&self) -> impl Iterator<Item = (&str, &Role)> {
        self.roles.iter().map(|(name, role)| (name.as_str(), role))
    }

    pub(crate) fn role_count(&self) -> usize {
        self.names.len()
    }

    /// Positions taken in all roles.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// The positions taken in each role, for the `limit` roles with the lowest numbers.
    pub(crate) fn taken_by_role(&self, limit: usize) -> impl Iterator<Item = (&str, u32)> {
        let names = self.names.values().take(limit);
        names.filter_map(|name| Some((name.as_str(), self.role(name)?.taken)))
    }

    /// Changes the releases of a role.
    pub(crate) fn change_releases<R>(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Releases) -> R,
    ) -> R {
        let role = self.ensure_role(name);
        let result = change(&mut role.releases);
        let record = Record(role.clone());
        self.role_table.insert(Text(name.to_string()), record);
        result
    }

    /// Forgets the releases that nobody needs: see [`Releases::forget`]. Kept are those of members
    /// and of their snapshots, and those for whose modules `in_use` says so.
    pub(crate) fn forget_releases(&mut self, in_use: impl Fn(Hash) -> bool) {
        let names: Vec<String> = self.roles.keys().cloned().collect();
        let counts = &self.counts;
        let needed = counts.on_release.keys().chain(counts.snapshots.keys());
        let needed: BTreeSet<(u16, u32)> = needed.copied().collect();
        for name in names {
            let Some(number) = self.role(&name).map(|role| role.number) else {
                continue;
            };
            self.change_releases(&name, |releases| {
                releases.forget(|release| {
                    needed.contains(&(number, release.number)) || in_use(release.module)
                });
            });
        }
    }

    /// The number of members of a role with a snapshot that a rollout keeps.
    pub(crate) fn snapshots(&self, role: u16) -> u32 {
        let of_role = self.counts.snapshots.range((role, 0)..=(role, u32::MAX));
        of_role.map(|(_, count)| count).sum()
    }

    /// The number of members of a role that root left on probation.
    pub(crate) fn on_probation(&self, role: u16) -> u32 {
        let left = self.counts.on_probation.get(&role);
        left.copied().unwrap_or_default()
    }

    /// The release, but for this one, that most members of a role have. 0 is none.
    pub(crate) fn other_release(&self, role: u16, release: u32) -> Option<u32> {
        let of_role = self.counts.on_release.range((role, 1)..=(role, u32::MAX));
        let others = of_role.filter(|((_, number), _)| *number != release);
        let most = others.max_by_key(|(_, count)| **count);
        most.map(|((_, number), _)| *number)
    }

    /// The number of members with a release.
    pub(crate) fn count_on_release(&self, role: u16, release: u32) -> u32 {
        let count = self.counts.on_release.get(&(role, release));
        count.copied().unwrap_or_default()
    }

    /// The role with a name. Adds it under the next number if it is new.
    fn ensure_role(&mut self, name: &str) -> &mut Role {
        let next = self.names.keys().next_back().map_or(0, |last| last + 1);
        let (names, table) = (&mut self.names, &mut self.role_table);
        self.roles.entry(name.to_string()).or_insert_with(|| {
            let role = Role {
                number: next,
                taken: 0,
                releases: Releases::default(),
            };
            names.insert(next, name.to_string());
            table.insert(Text(name.to_string()), Record(role.clone()));
            role
        })
    }

    // Positions

    /// The holder of a key.
    pub(crate) fn holder(&self, role: &str, key: &str) -> Option<Holder> {
        let role = self.role(role)?.number;
        if let Some(operation) = self.keys.operation(role, key) {
            return Some(Holder::Operation(operation));
        }
        let mut members = self.keys.candidates(role, key).map(|id| self.rows.get(id));
        let held = members
            .find(|row| row.member.role == role && row.member.key.as_deref() == Some(key))?;
        Some(Holder::Member(held.canister.0))
    }

    /// Takes a position for an operation.
    pub(crate) fn take_position(&mut self, position: &Position, operation: u64) {
        let role = self.ensure_role(&position.role);
        role.taken += 1;
        let number = role.number;
        self.taken += 1;
        self.take_below(position.parent.0, number);
        if let Some(key) = &position.key {
            self.keys.give_to_operation(number, key, operation);
        }
    }

    /// Positions taken below a parent in a role.
    pub(crate) fn taken_below(&self, parent: Principal, role: u16) -> u32 {
        let taken = self.below.get(&(parent.into(), role));
        taken.copied().unwrap_or_default()
    }

    /// Positions taken below a parent in all roles.
    pub(crate) fn children_taken(&self, parent: Principal) -> u64 {
        let parent = PrincipalKey::from(parent);
        let roles = self.below.range((parent, 0)..=(parent, u16::MAX));
        roles.map(|(_, taken)| u64::from(*taken)).sum()
    }

    /// Takes a position below a parent only: the member has its position in the role already.
    pub(crate) fn take_below(&mut self, parent: Principal, role: u16) {
        *self.below.entry((parent.into(), role)).or_default() += 1;
    }

    /// Releases a position below a parent only.
    pub(crate) fn release_below(&mut self, parent: Principal, role: u16) {
        decrement(&mut self.below, (parent.into(), role));
    }

    /// Releases a position, and removes the member in it, if there is one.
    pub(crate) fn release_position(&mut self, position: &Position, canister: Option<Principal>) {
        if let Some(canister) = canister
            && let Some(member) = self.member(canister)
            && let Some(record_id) = self.members.remove(&canister.into())
        {
            self.rows.remove(record_id);
            self.counts.remove(&member);
            if let Some(key) = &member.key {
                self.keys.forget_member(member.role, key, record_id);
            }
            self.by_role.remove(&(member.role, canister.into()));
            self.by_parent
                .remove(&(member.parent.0.into(), canister.into()));
        }
        let role = self.ensure_role(&position.role);
        let number = role.number;
        if role.taken > 0 {
            role.taken -= 1;
            self.taken -= 1;
        }
        self.release_below(position.parent.0, number);
        if let Some(key) = &position.key {
            self.keys.forget_operation(number, key);
        }
    }

    // Members

    /// The member that is a canister.
    pub(crate) fn member(&self, canister: Principal) -> Option<Member> {
        let record_id = self.members.get(&canister.into())?;
        Some(self.rows.get(*record_id).member)
    }

    /// A member as the fleet sees it. `None` also for a retiring member.
    pub(crate) fn member_ref(&self, canister: Principal) -> Option<MemberRef> {
        let member = self.member(canister)?;
        (member.status != MemberStatus::Retiring).then(|| MemberRef {
            role: self.role_name(member.role).to_string(),
            parent: member.parent.0,
            key: member.key,
        })
    }

    /// The record id of a member: it stays the same as long as the canister is a member.
    pub(crate) fn record_id(&self, canister: Principal) -> Option<RecordId> {
        self.members.get(&canister.into()).copied()
    }

    /// The number of members.
    pub(crate) fn member_count(&self) -> u64 {
        self.members.len() as u64
    }

    /// The record ids of all members.
    pub(crate) fn record_ids(&self) -> impl Iterator<Item = RecordId> {
        self.members.values().copied()
    }

    /// The member with a record id, which must be one's.
    pub(crate) fn at(&self, record_id: RecordId) -> (Principal, Member) {
        let Row { canister, member } = self.rows.get(record_id);
        (canister.0, member)
    }

    pub(crate) fn is_member(&self, canister: Principal) -> bool {
        self.members.contains_key(&canister.into())
    }

    /// Registers a member in a position that was taken before.
    pub(crate) fn register(
        &mut self,
        canister: Principal,
        position: &Position,
        status: MemberStatus,
        module: Hash,
        operation: u64,
        now: u64,
    ) {
        let Some(role) = self.role(&position.role) else {
            return;
        };
        let release = role.releases.of_module(module);
        let member = Member {
            role: role.number,
            parent: position.parent,
            key: position.key.clone(),
            status,
            release: release.map_or(0, |release| release.number),
            since: now,
            operation,
            rollout: 0,
            snapshot: None,
            on_probation: false,
        };
        self.write(canister, member);
    }

    /// Changes the record of a member, and answers what `change` answers. `None`: there is no such
    /// member. The indexes by its position are not changed.
    pub(crate) fn change_member<R>(
        &mut self,
        canister: Principal,
        change: impl FnOnce(&mut Member) -> R,
    ) -> Option<R> {
        let record_id = *self.members.get(&canister.into())?;
        let mut row = self.rows.get(record_id);
        self.counts.remove(&row.member);
        let answer = change(&mut row.member);
        self.rows.put(Some(record_id), &row);
        self.index(canister, record_id, &row.member);
        Some(answer)
    }

    /// Records that an operation changes a member's status.
    pub(crate) fn set_status(&mut self, canister: Principal, status: MemberStatus, operation: u64) {
        self.change_member(canister, |member| {
            member.status = status;
            member.operation = operation;
        });
    }

    /// Moves a member below another parent, in a position that was taken before.
    pub(crate) fn set_parent(&mut self, canister: Principal, parent: Principal) {
        let moved = self.change_member(canister, |member| {
            let before = std::mem::replace(&mut member.parent, Id(parent)).0;
            (before, member.role)
        });
        if let Some((before, role)) = moved {
            self.by_parent.remove(&(before.into(), canister.into()));
            self.by_parent.insert((parent.into(), canister.into()));
            self.release_below(before, role);
        }
    }

    // Lists, in the order of the canisters' ids

    /// The members after a canister.
    pub(crate) fn after(&self, after: Option<Principal>) -> impl Iterator<Item = Principal> + '_ {
        let start = after.map_or(Included(PrincipalKey::FIRST), |after| {
            Excluded(after.into())
        });
        let members = self.members.range((start, Unbounded));
        members.map(|(canister, _)| (*canister).into())
    }

    /// The members of a role after a canister.
    pub(crate) fn of_role(
        &self,
        role: u16,
        after: Option<Principal>,
    ) -> impl Iterator<Item = Principal> + '_ {
        canisters_after(&self.by_role, role, after)
    }

    /// A member of a role that depends on nothing but the members and a hash: the last one up to a
    /// number that the hash chooses between the first member's and the last's.
    pub(crate) fn any_of_role(&self, role: u16, hash: Hash) -> Principal {
        let ids = (role, PrincipalKey::FIRST)..=(role, PrincipalKey::LAST);
        let mut all = self.by_role.range(ids.clone());
        let (Some((_, low)), high) = (all.next(), all.next_back()) else {
            return Principal::management_canister();
        };
        let high = high.map_or(*low, |(_, high)| *high);
        let chosen = low.between(high, hash);
        let mut up_to = self.by_role.range(*ids.start()..=(role, chosen));
        up_to.next_back().map_or(*low, |(_, id)| *id).into()
    }

    /// The members below a parent after a canister.
    pub(crate) fn children(
        &self,
        parent: Principal,
        after: Option<Principal>,
    ) -> impl Iterator<Item = Principal> + '_ {
        canisters_after(&self.by_parent, PrincipalKey::from(parent), after)
    }
}

/// Takes one off a count. A count of 0 is removed.
fn decrement<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// The canisters after a canister among the pairs whose first half is `first`.
fn canisters_after<A: Ord + Copy>(
    set: &BTreeSet<(A, PrincipalKey)>,
    first: A,
    after: Option<Principal>,
) -> impl Iterator<Item = Principal> + '_ {
    let start = match after {
        Some(after) => Excluded((first, after.into())),
        None => Included((first, PrincipalKey::FIRST)),
    };
    set.range((start, Unbounded))
        .take_while(move |(a, _)| *a == first)
        .map(|(_, canister)| (*canister).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::MAX_KEY;

    fn id(n: u8) -> Principal {
        Principal::from_slice(&[n, 1])
    }

    fn position(role: u8, parent: u8, key: Option<u8>) -> Position {
        Position {
            role: format!("role-{role}"),
            parent: Id(id(100 + parent)),
            key: key.map(|key| format!("key-{key}")),
        }
    }

    proptest! {
        /// Against a plain map of the members' positions.
        #[test]
        fn every_index_agrees_with_the_members(changes in prop::collection::vec(change(), 1..120)) {
            memory::forget();
            let mut registry = Registry::open(0, 1);
            let mut model = Model::new();
            for (operation, change) in changes.into_iter().enumerate() {
                apply(&mut registry, &mut model, operation as u64, change);
                assert_roles_agree(&registry, &model);
                assert_parents_agree(&registry, &model);
                assert_keys_agree(&registry, &model);
            }
            assert_same_indexes(&Registry::open(0, 1), &registry);
        }
    }

    /// The positions of all members.
    type Model = BTreeMap<Principal, Position>;

    /// A canister, its role, its parent and its key, and whether it is to be a member.
    type Change = (u8, u8, u8, Option<u8>, bool);

    fn change() -> impl Strategy<Value = Change> {
        let key = prop::option::of(0..40u8);
        (0..30u8, 0..3u8, 0..3u8, key, any::<bool>())
    }

    /// Adds a member, removes it, or moves one that exists to another parent.
    fn apply(registry: &mut Registry, model: &mut Model, operation: u64, change: Change) {
        let (n, role, parent, key, add) = change;
        let (canister, position) = (id(n), position(role, parent, key));
        let holder = |key: &String| registry.holder(&position.role, key);
        let is_taken = position.key.as_ref().and_then(holder).is_some();
        match (add, model.get(&canister).cloned()) {
            (true, None) if !is_taken => {
                registry.take_position(&position, operation);
                for status in [MemberStatus::Installing, MemberStatus::Active] {
                    registry.register(canister, &position, status, [n; 32], operation, 0);
                }
                model.insert(canister, position);
            }
            (false, Some(position)) => {
                registry.release_position(&position, Some(canister));
                model.remove(&canister);
            }
            (true, Some(before)) => {
                let role = registry.role(&before.role).map_or(0, |role| role.number);
                registry.take_below(position.parent.0, role);
                registry.set_parent(canister, position.parent.0);
                let parent = position.parent;
                model.insert(canister, Position { parent, ..before });
            }
            (true | false, None) => {}
        }
    }

    /// The members of the model whose positions match.
    fn matching(model: &Model, matches: impl Fn(&Position) -> bool) -> Vec<Principal> {
        let members = model.iter().filter(|(_, position)| matches(position));
        members.map(|(canister, _)| *canister).collect()
    }

    fn assert_roles_agree(registry: &Registry, model: &Model) {
        assert_eq!(registry.taken(), model.len() as u64);
        let by_role: u32 = registry.taken_by_role(3).map(|(_, taken)| taken).sum();
        assert_eq!(by_role as usize, model.len());
        let all: Vec<Principal> = registry.after(None).collect();
        assert_eq!(all, matching(model, |_| true));
        for role in ["role-0", "role-1", "role-2"] {
            let expected = matching(model, |position| position.role == role);
            let (taken, listed) = match registry.role(role) {
                Some(role) => (role.taken, registry.of_role(role.number, None).collect()),
                None => (0, Vec::new()),
            };
            assert_eq!(taken as usize, expected.len());
            assert_eq!(listed, expected);
        }
    }

    fn assert_parents_agree(registry: &Registry, model: &Model) {
        for parent in [100, 101, 102].map(id) {
            let expected = matching(model, |position| position.parent.0 == parent);
            assert_eq!(registry.children_taken(parent), expected.len() as u64);
            for role in ["role-0", "role-1", "role-2"] {
                let number = registry.role(role).map(|role| role.number);
                let taken = number.map_or(0, |number| registry.taken_below(parent, number));
                let of_role = expected.iter().filter(|member| model[member].role == role);
                assert_eq!(taken as usize, of_role.count());
            }
            let listed: Vec<Principal> = registry.children(parent, None).collect();
            assert_eq!(listed, expected);
        }
    }

    fn assert_keys_agree(registry: &Registry, model: &Model) {
        for (canister, position) in model {
            if let Some(key) = &position.key {
                let holder = registry.holder(&position.role, key);
                assert_eq!(holder, Some(Holder::Member(*canister)));
            }
        }
    }

    /// The indexes follow from the records in stable memory.
    fn assert_same_indexes(again: &Registry, registry: &Registry) {
        assert_eq!(again.roles, registry.roles);
        assert_eq!(again.names, registry.names);
        assert_eq!(again.members, registry.members);
        assert_eq!(again.by_role, registry.by_role);
        assert_eq!(again.by_parent, registry.by_parent);
        assert_eq!(again.keys, registry.keys);
        assert_eq!(again.below, registry.below);
        assert_eq!(again.counts, registry.counts);
        assert_eq!(again.taken, registry.taken);
    }

    #[test]
    fn a_member_takes_250_bytes_of_stable_memory_at_most_beyond_its_key() {
        const MEMBERS: usize = 20_000;
        for length in [5, 20, MAX_KEY] {
            memory::forget();
            let mut registry = Registry::open(0, 1);
            for n in 0..MEMBERS {
                let position = Position {
                    key: Some(format!("{n:length$}")),
                    ..Position::sample(Principal::from_slice(&[0xff; 10]))
                };
                let canister = [&(u64::MAX - n as u64).to_be_bytes()[..], &[1, 1]].concat();
                let canister = Principal::from_slice(&canister);
                registry.take_position(&position, n as u64);
                registry.register(
                    canister,
                    &position,
                    MemberStatus::Active,
                    [7; 32],
                    n as u64,
                    u64::MAX,
                );
            }
            let pages = ic_stable_structures::Memory::size(&memory::open(0));
            let each = pages as usize * 65_536 / MEMBERS;
            assert!(each <= 250 + length, "{each} bytes with a key of {length}");
        }
    }

    #[test]
    fn an_operation_holds_the_key_until_its_member_is_active() {
        let mut registry = Registry::open(0, 1);
        let position = position(0, 0, Some(1));
        registry.take_position(&position, 7);
        assert_eq!(
            registry.holder(&position.role, "key-1"),
            Some(Holder::Operation(7))
        );
        registry.register(id(1), &position, MemberStatus::Installing, [0; 32], 7, 0);
        assert_eq!(
            registry.holder(&position.role, "key-1"),
            Some(Holder::Operation(7))
        );
        registry.register(id(1), &position, MemberStatus::Active, [0; 32], 7, 0);
        assert_eq!(
            registry.holder(&position.role, "key-1"),
            Some(Holder::Member(id(1)))
        );
        registry.release_position(&position, Some(id(1)));
        assert_eq!(registry.holder(&position.role, "key-1"), None);
        assert_eq!(registry.role(&position.role).unwrap().taken, 0);
    }

    #[test]
    fn a_list_begins_after_its_cursor() {
        let mut registry = Registry::open(0, 1);
        for n in 1..=5 {
            let position = position(0, 0, None);
            registry.take_position(&position, 0);
            registry.register(id(n), &position, MemberStatus::Active, [0; 32], 0, 0);
        }
        assert_eq!(
            registry.after(Some(id(2))).collect::<Vec<_>>(),
            [id(3), id(4), id(5)]
        );
        assert_eq!(
            registry.of_role(0, Some(id(4))).collect::<Vec<_>>(),
            [id(5)]
        );
        assert_eq!(registry.children(id(100), Some(id(5))).count(), 0);
    }
}
