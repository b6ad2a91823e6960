//! The registry: who is a member, by canister, by role, by parent and by key, and how many there are of each role.
//!
//! Every look-up and every change costs O(log n); nothing here walks through all members but the pages of a list.

use crate::{
    api::{MAX_KEY, MAX_ROLE, MemberState},
    journal::{Hash, Place},
    memory::{self, Id, Memory, Record},
};
use candid::Principal;
use ic_stable_structures::{StableBTreeMap, Storable, storable::Bound};
use minicbor::{Decode, Encode};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    ops::Bound::{Excluded, Included},
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
    pub(crate) state: State,
    #[cbor(n(4), with = "minicbor::bytes")]
    pub(crate) module: Hash,
    #[n(5)]
    pub(crate) since: u64,
    #[n(6)]
    pub(crate) operation: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum State {
    #[n(0)]
    Installing,
    #[n(1)]
    Active,
    #[n(2)]
    Retiring,
    #[n(3)]
    Moving,
}

impl From<State> for MemberState {
    fn from(state: State) -> Self {
        match state {
            State::Installing => Self::Installing,
            State::Active => Self::Active,
            State::Retiring => Self::Retiring,
            State::Moving => Self::Moving,
        }
    }
}

/// What root knows of a role beside its limits.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Role {
    #[n(0)]
    pub(crate) number: u16,
    /// Members, those being provisioned included.
    #[n(1)]
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

impl Storable for Holder {
    const BOUND: Bound = Bound::Bounded {
        max_size: 30,
        is_fixed_size: false,
    };

    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.into_bytes())
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Operation(id) => [&[0][..], &id.to_be_bytes()].concat(),
            Self::Member(canister) => [&[1][..], canister.as_slice()].concat(),
        }
    }

    fn from_bytes(bytes: Cow<'_, [u8]>) -> Self {
        let corrupt = || panic!("canic: corrupt key index in stable memory");
        match bytes.split_first() {
            Some((0, id)) => id
                .try_into()
                .map_or_else(|_| corrupt(), |id| Self::Operation(u64::from_be_bytes(id))),
            Some((1, canister)) => {
                Principal::try_from_slice(canister).map_or_else(|_| corrupt(), Self::Member)
            }
            _ => corrupt(),
        }
    }
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

type Set<K> = StableBTreeMap<K, (), Memory>;

pub(crate) struct Registry {
    members: StableBTreeMap<Principal, Record<Member>, Memory>,
    by_role: Set<(u16, Principal)>,
    by_parent: Set<(Principal, Principal)>,
    by_key: StableBTreeMap<(u16, Text<MAX_KEY>), Holder, Memory>,
    roles: StableBTreeMap<Text<MAX_ROLE>, Record<Role>, Memory>,
    /// Places taken below each parent, by role.
    below: StableBTreeMap<(Principal, u16), u32, Memory>,
    /// The names of the roles by number; read once, there are few.
    names: BTreeMap<u16, String>,
    /// Places taken in all roles.
    taken: u64,
}

impl Registry {
    pub(crate) fn open(memories: [u8; 6]) -> Self {
        let [members, by_role, by_parent, by_key, roles, below] = memories;
        let roles: StableBTreeMap<Text<MAX_ROLE>, Record<Role>, Memory> =
            StableBTreeMap::init(memory::open(roles));
        let (mut names, mut taken) = (BTreeMap::new(), 0);
        for entry in roles.iter() {
            let role = entry.value().0;
            names.insert(role.number, entry.key().0.clone());
            taken += u64::from(role.taken);
        }
        Self {
            members: StableBTreeMap::init(memory::open(members)),
            by_role: StableBTreeMap::init(memory::open(by_role)),
            by_parent: StableBTreeMap::init(memory::open(by_parent)),
            by_key: StableBTreeMap::init(memory::open(by_key)),
            below: StableBTreeMap::init(memory::open(below)),
            roles,
            names,
            taken,
        }
    }

    // Roles

    pub(crate) fn role(&self, name: &str) -> Option<Role> {
        self.roles
            .get(&Text(name.to_string()))
            .map(|record| record.0)
    }

    pub(crate) fn role_name(&self, number: u16) -> &str {
        self.names.get(&number).map_or("", String::as_str)
    }

    pub(crate) fn roles(&self) -> impl Iterator<Item = (String, Role)> + '_ {
        self.roles
            .iter()
            .map(|entry| (entry.key().0.clone(), entry.value().0))
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
        self.change_role(name, |role| role.module = Some(module));
    }

    /// Answers the role's number.
    fn change_role(&mut self, name: &str, change: impl FnOnce(&mut Role)) -> u16 {
        let number = || self.names.keys().next_back().map_or(0, |last| last + 1);
        let mut role = self.role(name).unwrap_or_else(|| Role {
            number: number(),
            taken: 0,
            module: None,
        });
        self.taken -= u64::from(role.taken);
        change(&mut role);
        self.taken += u64::from(role.taken);
        self.names
            .entry(role.number)
            .or_insert_with(|| name.to_string());
        let number = role.number;
        self.roles.insert(Text(name.to_string()), Record(role));
        number
    }

    // Places: counted and named from the moment an operation is accepted

    pub(crate) fn holder(&self, role: &str, key: &str) -> Option<Holder> {
        let role = self.role(role)?;
        self.by_key.get(&(role.number, Text(key.to_string())))
    }

    /// Takes a place for an operation.
    pub(crate) fn take(&mut self, place: &Place, operation: u64) {
        let role = self.change_role(&place.role, |role| role.taken += 1);
        self.take_below(place.parent.0, role);
        self.set_holder(place, Holder::Operation(operation));
    }

    /// Places taken below a parent in a role.
    pub(crate) fn taken_below(&self, parent: Principal, role: u16) -> u32 {
        self.below.get(&(parent, role)).unwrap_or_default()
    }

    /// Places taken below a parent in all roles.
    pub(crate) fn children_taken(&self, parent: Principal) -> u64 {
        let roles = self.below.range((parent, 0)..=(parent, u16::MAX));
        roles.map(|entry| u64::from(entry.value())).sum()
    }

    /// Takes a place below a parent for a member that has its place in the role.
    pub(crate) fn take_below(&mut self, parent: Principal, role: u16) {
        let taken = self.taken_below(parent, role);
        self.below.insert((parent, role), taken + 1);
    }

    /// Gives a place below a parent up.
    pub(crate) fn give_up_below(&mut self, parent: Principal, role: u16) {
        match self.taken_below(parent, role) {
            0 | 1 => drop(self.below.remove(&(parent, role))),
            taken => drop(self.below.insert((parent, role), taken - 1)),
        }
    }

    /// Gives a place up, together with the member that may have had it.
    pub(crate) fn give_up(&mut self, place: &Place, canister: Option<Principal>) {
        if let Some((canister, member)) =
            canister.and_then(|canister| Some((canister, self.members.remove(&canister)?.0)))
        {
            self.by_role.remove(&(member.role, canister));
            self.by_parent.remove(&(member.parent.0, canister));
        }
        let role = self.change_role(&place.role, |role| {
            role.taken = role.taken.saturating_sub(1)
        });
        self.give_up_below(place.parent.0, role);
        if let Some(key) = &place.key {
            self.by_key.remove(&(role, Text(key.clone())));
        }
    }

    fn set_holder(&mut self, place: &Place, holder: Holder) {
        if let (Some(key), Some(role)) = (&place.key, self.role(&place.role)) {
            self.by_key.insert((role.number, Text(key.clone())), holder);
        }
    }

    // Members

    pub(crate) fn member(&self, canister: Principal) -> Option<Member> {
        self.members.get(&canister).map(|record| record.0)
    }

    pub(crate) fn is_member(&self, canister: Principal) -> bool {
        self.members.contains_key(&canister)
    }

    /// Registers a member in a place that was taken before.
    pub(crate) fn register(
        &mut self,
        canister: Principal,
        place: &Place,
        state: State,
        module: Hash,
        operation: u64,
        now: u64,
    ) {
        let Some(role) = self.role(&place.role) else {
            return;
        };
        let member = Member {
            role: role.number,
            parent: place.parent,
            key: place.key.clone(),
            state,
            module,
            since: now,
            operation,
        };
        self.by_role.insert((role.number, canister), ());
        self.by_parent.insert((place.parent.0, canister), ());
        self.members.insert(canister, Record(member));
        if state == State::Active {
            self.set_holder(place, Holder::Member(canister));
        }
    }

    /// An operation is at work on a member.
    pub(crate) fn set_state(&mut self, canister: Principal, state: State, operation: u64) {
        if let Some(mut member) = self.member(canister) {
            member.state = state;
            member.operation = operation;
            self.members.insert(canister, Record(member));
        }
    }

    /// Puts a member below another parent, where its place was taken before.
    pub(crate) fn set_parent(&mut self, canister: Principal, parent: Principal) {
        if let Some(mut member) = self.member(canister) {
            let before = std::mem::replace(&mut member.parent, Id(parent)).0;
            self.by_parent.remove(&(before, canister));
            self.by_parent.insert((parent, canister), ());
            self.give_up_below(before, member.role);
            self.members.insert(canister, Record(member));
        }
    }

    // Lists, in the order of the canisters' ids

    pub(crate) fn after(&self, after: Option<Principal>) -> impl Iterator<Item = Principal> + '_ {
        let start = after.map_or(Included(Principal::management_canister()), Excluded);
        self.members.keys_range((start, std::ops::Bound::Unbounded))
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
        second(&self.by_parent, parent, after)
    }
}

/// The second halves of the keys whose first half is `first`.
fn second<A>(
    set: &Set<(A, Principal)>,
    first: A,
    after: Option<Principal>,
) -> impl Iterator<Item = Principal> + '_
where
    A: Storable + Ord + Clone + 'static,
    (A, Principal): Storable,
{
    let start = match after {
        Some(after) => Excluded((first.clone(), after)),
        // The management canister's id is empty: it comes before all others.
        None => Included((first.clone(), Principal::management_canister())),
    };
    set.keys_range((start, std::ops::Bound::Unbounded))
        .take_while(move |(a, _)| *a == first)
        .map(|(_, canister)| canister)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u8) -> Principal {
        Principal::from_slice(&[n, 1])
    }

    fn place(role: u8, parent: u8, key: Option<u8>) -> Place {
        Place {
            role: format!("role-{role}"),
            parent: Id(id(100 + parent)),
            key: key.map(|key| format!("key-{key}")),
        }
    }

    proptest! {
        /// Against a plain map: every index tells the same as the members themselves.
        #[test]
        fn all_indexes_tell_the_same(
            changes in prop::collection::vec(
                (0..30u8, 0..3u8, 0..3u8, prop::option::of(0..40u8), any::<bool>()), 1..120)
        ) {
            memory::forget();
            let mut registry = Registry::open([0, 1, 2, 3, 4, 5]);
            let mut model: BTreeMap<Principal, Place> = BTreeMap::new();
            for (at, (n, role, parent, key, add)) in changes.into_iter().enumerate() {
                let (canister, place) = (id(n), place(role, parent, key));
                let taken = place.key.as_ref().is_some_and(|key| registry.holder(&place.role, key).is_some());
                match (add, model.get(&canister).cloned()) {
                    (true, None) if !taken => {
                        registry.take(&place, at as u64);
                        registry.register(canister, &place, State::Installing, [n; 32], at as u64, 0);
                        registry.register(canister, &place, State::Active, [n; 32], at as u64, 0);
                        model.insert(canister, place);
                    }
                    (false, Some(place)) => {
                        registry.give_up(&place, Some(canister));
                        model.remove(&canister);
                    }
                    (true, Some(before)) => {
                        let role = registry.role(&before.role).map_or(0, |role| role.number);
                        registry.take_below(place.parent.0, role);
                        registry.set_parent(canister, place.parent.0);
                        model.insert(canister, Place { parent: place.parent, ..before });
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
                        model.iter().filter(|(_, place)| place.role == name).map(|(c, _)| *c).collect();
                    let role = registry.role(&name);
                    prop_assert_eq!(role.as_ref().map_or(0, |role| role.taken), expected.len() as u32);
                    let listed: Vec<Principal> =
                        role.map(|role| registry.of_role(role.number, None).collect()).unwrap_or_default();
                    prop_assert_eq!(listed, expected);
                }
                for parent in 0..3u8 {
                    let parent = id(100 + parent);
                    let expected: Vec<Principal> =
                        model.iter().filter(|(_, place)| place.parent.0 == parent).map(|(c, _)| *c).collect();
                    prop_assert_eq!(registry.children_taken(parent), expected.len() as u64);
                    for role in 0..3u8 {
                        let name = format!("role-{role}");
                        let of_role = expected.iter().filter(|member| model[member].role == name).count();
                        let counted = registry.role(&name).map_or(0, |role| registry.taken_below(parent, role.number));
                        prop_assert_eq!(counted as usize, of_role);
                    }
                    prop_assert_eq!(registry.children(parent, None).collect::<Vec<_>>(), expected);
                }
                for (canister, place) in &model {
                    if let Some(key) = &place.key {
                        prop_assert_eq!(registry.holder(&place.role, key), Some(Holder::Member(*canister)));
                    }
                }
            }
        }
    }

    #[test]
    fn a_key_belongs_to_the_operation_until_the_member_lives() {
        let mut registry = Registry::open([0, 1, 2, 3, 4, 5]);
        let place = place(0, 0, Some(1));
        registry.take(&place, 7);
        assert_eq!(
            registry.holder(&place.role, "key-1"),
            Some(Holder::Operation(7))
        );
        registry.register(id(1), &place, State::Installing, [0; 32], 7, 0);
        assert_eq!(
            registry.holder(&place.role, "key-1"),
            Some(Holder::Operation(7))
        );
        registry.register(id(1), &place, State::Active, [0; 32], 7, 0);
        assert_eq!(
            registry.holder(&place.role, "key-1"),
            Some(Holder::Member(id(1)))
        );
        registry.give_up(&place, Some(id(1)));
        assert_eq!(registry.holder(&place.role, "key-1"), None);
        assert_eq!(registry.role(&place.role).unwrap().taken, 0);
    }

    #[test]
    fn pages_go_on_after_a_canister() {
        let mut registry = Registry::open([0, 1, 2, 3, 4, 5]);
        for n in 1..=5 {
            let place = place(0, 0, None);
            registry.take(&place, 0);
            registry.register(id(n), &place, State::Active, [0; 32], 0, 0);
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
