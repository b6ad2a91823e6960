//! The registry: who is a member, by canister, by role, by parent and by key, and how many there are of each role.
//!
//! The members' records lie in stable memory; the indexes and all counts follow from them, and are on the heap. Every look-up and
//! every change costs O(log n); nothing here walks through all members but the pages of a list, and opening the registry.

use crate::{
    api::{MAX_ROLE, MemberRef, MemberState},
    operation::{Hash, Position},
    stable::{
        memory::{self, Memory},
        record::{Id, Record},
        record_store::{RecordId, RecordStore},
    },
};
use candid::Principal;
use ic_stable_structures::{StableBTreeMap, Storable, storable::Bound};
use minicbor::{Decode, Encode};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included, Unbounded},
};

/// A member's record.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Member {
    #[n(0)]
    pub(crate) role: u16,
    #[n(1)]
    pub(crate) parent: Id,
    #[n(2)]
    pub(crate) key: Option<String>,
    #[n(3)]
    pub(crate) status: MemberStatus,
    #[cbor(n(4), with = "minicbor::bytes")]
    pub(crate) module: Hash,
    #[n(5)]
    pub(crate) since: u64,
    #[n(6)]
    pub(crate) operation: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum MemberStatus {
    #[n(0)]
    Installing,
    #[n(1)]
    Active,
    #[n(2)]
    Retiring,
    #[n(3)]
    Moving,
}

impl From<MemberStatus> for MemberState {
    fn from(status: MemberStatus) -> Self {
        match status {
            MemberStatus::Installing => Self::Installing,
            MemberStatus::Active => Self::Active,
            MemberStatus::Retiring => Self::Retiring,
            MemberStatus::Moving => Self::Moving,
        }
    }
}

/// What root knows of a role beside its limits.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Role {
    #[n(0)]
    pub(crate) number: u16,
    /// Members, those being provisioned included. Cached on the heap only.
    #[cbor(skip)]
    pub(crate) taken: u32,
    /// The approved module.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) module: Option<Hash>,
}

/// Who has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Operation(u64),
    Member(Principal),
}

/// A short text of stable memory.
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

/// A member's record, and whose it is.
#[derive(Encode, Decode)]
struct Row {
    #[n(0)]
    canister: Id,
    #[n(1)]
    member: Member,
}

/// A principal as the indexes compare it, in the order that principals have: its length and its bytes, as words. Comparing bytes
/// is what most of a search in a large index would be spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sorted([u64; 4]);

impl Sorted {
    /// The id of the management canister is empty: it comes before all others.
    const FIRST: Self = Self([0; 4]);
}

impl From<Principal> for Sorted {
    fn from(principal: Principal) -> Self {
        let mut bytes = [0; 32];
        let id = principal.as_slice();
        // An id has 29 bytes at most.
        bytes[0] = id.len() as u8;
        bytes[1..=id.len()].copy_from_slice(id);
        let mut words = [0; 4];
        for (word, part) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_be_bytes(*part);
        }
        Self(words)
    }
}

impl From<Sorted> for Principal {
    fn from(Sorted(words): Sorted) -> Self {
        let mut bytes = [0; 32];
        for (word, part) in words.iter().zip(bytes.as_chunks_mut().0) {
            *part = word.to_be_bytes();
        }
        let length = usize::from(bytes[0]);
        Self::from_slice(&bytes[1..=length])
    }
}

pub(crate) struct Registry {
    rows: RecordStore<Row, 96>,
    roles: StableBTreeMap<Text<MAX_ROLE>, Record<Role>, Memory>,
    /// The roles, and their names by number: there are few.
    known: BTreeMap<String, Role>,
    names: BTreeMap<u16, String>,
    members: BTreeMap<Sorted, RecordId>,
    by_role: BTreeSet<(u16, Sorted)>,
    by_parent: BTreeSet<(Sorted, Sorted)>,
    by_key: BTreeMap<(u16, String), Holder>,
    /// Places taken below each parent, by role.
    below: BTreeMap<(Sorted, u16), u32>,
    /// Places taken in all roles.
    taken: u64,
}

impl Registry {
    pub(crate) fn open(rows: u8, roles: u8) -> Self {
        let roles: StableBTreeMap<Text<MAX_ROLE>, Record<Role>, Memory> =
            StableBTreeMap::init(memory::open(roles));
        let (mut known, mut names) = (BTreeMap::new(), BTreeMap::new());
        for entry in roles.iter() {
            let (name, role) = (entry.key().0.clone(), entry.value().0);
            names.insert(role.number, name.clone());
            known.insert(name, role);
        }
        let mut all = Vec::new();
        let mut registry = Self {
            rows: RecordStore::open(rows, |spot, row| all.push((spot, row))),
            roles,
            known,
            names,
            members: BTreeMap::new(),
            by_role: BTreeSet::new(),
            by_parent: BTreeSet::new(),
            by_key: BTreeMap::new(),
            below: BTreeMap::new(),
            taken: 0,
        };
        for (spot, Row { canister, member }) in all {
            registry.count(&member);
            registry.index(canister.0, spot, &member);
        }
        registry
    }

    /// Takes a member's places, and its key.
    fn count(&mut self, member: &Member) {
        let role = self.role_name(member.role).to_string();
        let position = Position {
            role,
            parent: member.parent,
            key: member.key.clone(),
        };
        self.take(&position, member.operation);
    }

    /// Writes a member's record.
    fn write(&mut self, canister: Principal, member: Member) {
        let row = Row {
            canister: Id(canister),
            member,
        };
        let spot = self.members.get(&canister.into()).copied();
        let spot = self.rows.put(spot, &row);
        self.index(canister, spot, &row.member);
    }

    /// Has a member found, whose places are taken and whose record lies at a spot.
    fn index(&mut self, canister: Principal, spot: RecordId, member: &Member) {
        let id = Sorted::from(canister);
        if self.members.insert(id, spot).is_none() {
            self.by_role.insert((member.role, id));
            self.by_parent.insert((member.parent.0.into(), id));
        }
        // While it is being installed, the key means the operation.
        if let (Some(key), true) = (&member.key, member.status != MemberStatus::Installing) {
            let key = (member.role, key.clone());
            self.by_key.insert(key, Holder::Member(canister));
        }
    }

    // Roles

    pub(crate) fn role(&self, name: &str) -> Option<&Role> {
        self.known.get(name)
    }

    pub(crate) fn role_name(&self, number: u16) -> &str {
        self.names.get(&number).map_or("", String::as_str)
    }

    pub(crate) fn roles(&self) -> impl Iterator<Item = (&str, &Role)> {
        self.known.iter().map(|(name, role)| (name.as_str(), role))
    }

    pub(crate) fn number_of_roles(&self) -> usize {
        self.names.len()
    }

    /// Places taken in all roles, those of members being made included.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// The places taken in each of the roles that came first, so many at most.
    pub(crate) fn taken_by_role(&self, limit: usize) -> impl Iterator<Item = (&str, u32)> {
        let names = self.names.values().take(limit);
        names.filter_map(|name| Some((name.as_str(), self.role(name)?.taken)))
    }

    pub(crate) fn set_module(&mut self, name: &str, module: Hash) {
        let role = self.known_role(name);
        role.module = Some(module);
        let record = Record(role.clone());
        self.roles.insert(Text(name.to_string()), record);
    }

    /// A role, which gets its number here if it is new.
    fn known_role(&mut self, name: &str) -> &mut Role {
        let next = self.names.keys().next_back().map_or(0, |last| last + 1);
        let (names, table) = (&mut self.names, &mut self.roles);
        self.known.entry(name.to_string()).or_insert_with(|| {
            let role = Role {
                number: next,
                taken: 0,
                module: None,
            };
            names.insert(next, name.to_string());
            table.insert(Text(name.to_string()), Record(role.clone()));
            role
        })
    }

    // Places: counted and named from the moment an operation is accepted

    pub(crate) fn holder(&self, role: &str, key: &str) -> Option<Holder> {
        let role = self.role(role)?;
        self.by_key.get(&(role.number, key.to_string())).copied()
    }

    /// Takes a position for an operation.
    pub(crate) fn take(&mut self, position: &Position, operation: u64) {
        let role = self.known_role(&position.role);
        role.taken += 1;
        let number = role.number;
        self.taken += 1;
        self.take_below(position.parent.0, number);
        if let Some(key) = &position.key {
            let key = (number, key.clone());
            self.by_key.insert(key, Holder::Operation(operation));
        }
    }

    /// Places taken below a parent in a role.
    pub(crate) fn taken_below(&self, parent: Principal, role: u16) -> u32 {
        let taken = self.below.get(&(parent.into(), role));
        taken.copied().unwrap_or_default()
    }

    /// Places taken below a parent in all roles.
    pub(crate) fn children_taken(&self, parent: Principal) -> u64 {
        let parent = Sorted::from(parent);
        let roles = self.below.range((parent, 0)..=(parent, u16::MAX));
        roles.map(|(_, taken)| u64::from(*taken)).sum()
    }

    /// Takes a position below a parent for a member that has its position in the role.
    pub(crate) fn take_below(&mut self, parent: Principal, role: u16) {
        *self.below.entry((parent.into(), role)).or_default() += 1;
    }

    /// Gives a position below a parent up.
    pub(crate) fn give_up_below(&mut self, parent: Principal, role: u16) {
        match self.taken_below(parent, role) {
            0 | 1 => drop(self.below.remove(&(parent.into(), role))),
            taken => drop(self.below.insert((parent.into(), role), taken - 1)),
        }
    }

    /// Gives a position up, together with the member that may have had it.
    pub(crate) fn give_up(&mut self, position: &Position, canister: Option<Principal>) {
        if let Some(canister) = canister
            && let Some(member) = self.member(canister)
            && let Some(spot) = self.members.remove(&canister.into())
        {
            self.rows.remove(spot);
            self.by_role.remove(&(member.role, canister.into()));
            self.by_parent
                .remove(&(member.parent.0.into(), canister.into()));
        }
        let role = self.known_role(&position.role);
        let number = role.number;
        if role.taken > 0 {
            role.taken -= 1;
            self.taken -= 1;
        }
        self.give_up_below(position.parent.0, number);
        if let Some(key) = &position.key {
            self.by_key.remove(&(number, key.clone()));
        }
    }

    // Members

    pub(crate) fn member(&self, canister: Principal) -> Option<Member> {
        let spot = self.members.get(&canister.into())?;
        Some(self.rows.get(*spot).member)
    }

    /// What a member is to the fleet. `None` also for a member that is being retired.
    pub(crate) fn member_ref(&self, canister: Principal) -> Option<MemberRef> {
        let member = self.member(canister)?;
        (member.status != MemberStatus::Retiring).then(|| MemberRef {
            role: self.role_name(member.role).to_string(),
            parent: member.parent.0,
            key: member.key,
        })
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
        let Some(role) = self.role(&position.role).map(|role| role.number) else {
            return;
        };
        let member = Member {
            role,
            parent: position.parent,
            key: position.key.clone(),
            status,
            module,
            since: now,
            operation,
        };
        self.write(canister, member);
    }

    /// An operation is at work on a member.
    pub(crate) fn set_status(&mut self, canister: Principal, status: MemberStatus, operation: u64) {
        if let Some(mut member) = self.member(canister) {
            member.status = status;
            member.operation = operation;
            self.write(canister, member);
        }
    }

    /// Puts a member below another parent, where its position was taken before.
    pub(crate) fn set_parent(&mut self, canister: Principal, parent: Principal) {
        if let Some(mut member) = self.member(canister) {
            let before = std::mem::replace(&mut member.parent, Id(parent)).0;
            self.by_parent.remove(&(before.into(), canister.into()));
            self.by_parent.insert((parent.into(), canister.into()));
            self.give_up_below(before, member.role);
            self.write(canister, member);
        }
    }

    // Lists, in the order of the canisters' ids

    pub(crate) fn after(&self, after: Option<Principal>) -> impl Iterator<Item = Principal> + '_ {
        let start = after.map_or(Included(Sorted::FIRST), |after| Excluded(after.into()));
        let members = self.members.range((start, Unbounded));
        members.map(|(canister, _)| (*canister).into())
    }

    pub(crate) fn of_role(
        &self,
        role: u16,
        after: Option<Principal>,
    ) -> impl Iterator<Item = Principal> + '_ {
        second(&self.by_role, role, after)
    }

    pub(crate) fn children(
        &self,
        parent: Principal,
        after: Option<Principal>,
    ) -> impl Iterator<Item = Principal> + '_ {
        second(&self.by_parent, Sorted::from(parent), after)
    }
}

/// The second halves of the pairs whose first half is `first`.
fn second<A: Ord + Copy>(
    set: &BTreeSet<(A, Sorted)>,
    first: A,
    after: Option<Principal>,
) -> impl Iterator<Item = Principal> + '_ {
    let start = match after {
        Some(after) => Excluded((first, after.into())),
        None => Included((first, Sorted::FIRST)),
    };
    set.range((start, Unbounded))
        .take_while(move |(a, _)| *a == first)
        .map(|(_, canister)| (*canister).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        #[test]
        fn principals_are_sorted_as_they_are_everywhere(
            a in prop::collection::vec(0..3u8, 0..30), b in prop::collection::vec(0..3u8, 0..30)
        ) {
            let [a, b] = [a, b].map(|bytes| Principal::from_slice(&bytes));
            prop_assert_eq!(Sorted::from(a).cmp(&b.into()), a.cmp(&b));
            prop_assert_eq!(Principal::from(Sorted::from(a)), a);
        }

        /// Against a plain map: every index tells the same as the members themselves.
        #[test]
        fn all_indexes_tell_the_same(
            changes in prop::collection::vec(
                (0..30u8, 0..3u8, 0..3u8, prop::option::of(0..40u8), any::<bool>()), 1..120)
        ) {
            memory::forget();
            let mut registry = Registry::open(0, 1);
            let mut model: BTreeMap<Principal, Position> = BTreeMap::new();
            for (at, (n, role, parent, key, add)) in changes.into_iter().enumerate() {
                let (canister, position) = (id(n), position(role, parent, key));
                let taken = position.key.as_ref().is_some_and(|key| registry.holder(&position.role, key).is_some());
                match (add, model.get(&canister).cloned()) {
                    (true, None) if !taken => {
                        registry.take(&position, at as u64);
                        registry.register(canister, &position, MemberStatus::Installing, [n; 32], at as u64, 0);
                        registry.register(canister, &position, MemberStatus::Active, [n; 32], at as u64, 0);
                        model.insert(canister, position);
                    }
                    (false, Some(position)) => {
                        registry.give_up(&position, Some(canister));
                        model.remove(&canister);
                    }
                    (true, Some(before)) => {
                        let role = registry.role(&before.role).map_or(0, |role| role.number);
                        registry.take_below(position.parent.0, role);
                        registry.set_parent(canister, position.parent.0);
                        model.insert(canister, Position { parent: position.parent, ..before });
                    }
                    _ => {}
                }
                prop_assert_eq!(registry.taken(), model.len() as u64);
                let of_roles: u32 = registry.taken_by_role(3).map(|(_, taken)| taken).sum();
                prop_assert_eq!(of_roles as usize, model.len());
                let all: Vec<Principal> = registry.after(None).collect();
                let expected: Vec<Principal> = model.keys().copied().collect();
                prop_assert_eq!(all, expected);
                for role in 0..3u8 {
                    let name = format!("role-{role}");
                    let expected: Vec<Principal> =
                        model.iter().filter(|(_, position)| position.role == name).map(|(c, _)| *c).collect();
                    let role = registry.role(&name);
                    prop_assert_eq!(role.as_ref().map_or(0, |role| role.taken), expected.len() as u32);
                    let listed: Vec<Principal> =
                        role.map(|role| registry.of_role(role.number, None).collect()).unwrap_or_default();
                    prop_assert_eq!(listed, expected);
                }
                for parent in 0..3u8 {
                    let parent = id(100 + parent);
                    let expected: Vec<Principal> =
                        model.iter().filter(|(_, position)| position.parent.0 == parent).map(|(c, _)| *c).collect();
                    prop_assert_eq!(registry.children_taken(parent), expected.len() as u64);
                    for role in 0..3u8 {
                        let name = format!("role-{role}");
                        let of_role = expected.iter().filter(|member| model[member].role == name).count();
                        let counted = registry.role(&name).map_or(0, |role| registry.taken_below(parent, role.number));
                        prop_assert_eq!(counted as usize, of_role);
                    }
                    prop_assert_eq!(registry.children(parent, None).collect::<Vec<_>>(), expected);
                }
                for (canister, position) in &model {
                    if let Some(key) = &position.key {
                        prop_assert_eq!(registry.holder(&position.role, key), Some(Holder::Member(*canister)));
                    }
                }
            }
            // All of that follows from what is in stable memory.
            let again = Registry::open(0, 1);
            prop_assert_eq!(again.known, registry.known);
            prop_assert_eq!(again.names, registry.names);
            prop_assert_eq!(again.members, registry.members);
            prop_assert_eq!(again.by_role, registry.by_role);
            prop_assert_eq!(again.by_parent, registry.by_parent);
            prop_assert_eq!(again.by_key, registry.by_key);
            prop_assert_eq!(again.below, registry.below);
            prop_assert_eq!(again.taken, registry.taken);
        }
    }

    #[test]
    fn a_member_takes_250_bytes_of_stable_memory_at_most_beyond_its_key() {
        const MEMBERS: usize = 20_000;
        for length in [5, 20, crate::api::MAX_KEY] {
            memory::forget();
            let mut registry = Registry::open(0, 1);
            for n in 0..MEMBERS {
                let position = Position {
                    key: Some(format!("{n:length$}")),
                    ..Position::sample(Principal::from_slice(&[0xff; 10]))
                };
                let canister = [&(u64::MAX - n as u64).to_be_bytes()[..], &[1, 1]].concat();
                let canister = Principal::from_slice(&canister);
                registry.take(&position, n as u64);
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
    fn a_key_belongs_to_the_operation_until_the_member_lives() {
        let mut registry = Registry::open(0, 1);
        let position = position(0, 0, Some(1));
        registry.take(&position, 7);
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
        registry.give_up(&position, Some(id(1)));
        assert_eq!(registry.holder(&position.role, "key-1"), None);
        assert_eq!(registry.role(&position.role).unwrap().taken, 0);
    }

    #[test]
    fn pages_go_on_after_a_canister() {
        let mut registry = Registry::open(0, 1);
        for n in 1..=5 {
            let position = position(0, 0, None);
            registry.take(&position, 0);
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
