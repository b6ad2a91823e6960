//! The journal: one record per operation, written before each call (the intent) and after it (the fact).
//!
//! An operation is in one of three sections: open, quarantined, closed. The open ones are on the heap as well ([`Open`]);
//! closed ones are kept for reading, the oldest giving way when there are more than [`MAX_CLOSED`].

use crate::{
    api::{Membership, OperationId, OperationKind, Pruned, Retirement, RolledBack, Source},
    config::Rollback,
    memory::{self, Cycles, Id, Memory},
    open::Open,
    platform,
    shelf::{Shelf, Spot},
};
use candid::Principal;
use ic_stable_structures::StableBTreeMap;
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;

/// Closed operations that are kept.
pub(crate) const MAX_CLOSED: usize = 10_000;

/// Closed operations that are forgotten in one message at most.
const MAX_FORGOTTEN: usize = 1_000;

/// A module's SHA-256.
pub(crate) type Hash = [u8; 32];

/// One operation.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Operation {
    #[n(0)]
    pub(crate) id: OperationId,
    #[n(1)]
    pub(crate) purpose: Purpose,
    /// What is done next, or being done.
    #[n(2)]
    pub(crate) step: Step,
    /// Whether the call of `step` was issued and its reply is not on record.
    #[n(3)]
    pub(crate) in_flight: bool,
    /// Set once the canister is being emptied or deleted, be it as the purpose or because the purpose failed.
    #[n(4)]
    pub(crate) clearing: Option<Clearing>,
    #[n(5)]
    pub(crate) canister: Option<Id>,
    #[n(6)]
    pub(crate) source: Option<Origin>,
    /// Cycles that root still has to send; counted against its balance until then.
    #[n(7)]
    pub(crate) reserved: Cycles,
    /// Cycles sent with calls that were not refused.
    #[n(8)]
    pub(crate) paid: Cycles,
    /// Cycles that a claimed canister lacks.
    #[n(9)]
    pub(crate) shortfall: Cycles,
    /// What the canister held when it was last looked at.
    #[n(10)]
    pub(crate) held: Cycles,
    #[n(11)]
    pub(crate) attempts: u32,
    #[n(12)]
    pub(crate) calls: u32,
    #[n(13)]
    pub(crate) failure: Option<String>,
    /// Nothing is tried before this time (nanoseconds since the epoch).
    #[n(14)]
    pub(crate) not_before: u64,
    #[n(15)]
    pub(crate) accepted: u64,
    #[n(16)]
    pub(crate) updated: u64,
    #[n(17)]
    pub(crate) end: Option<End>,
    /// How often the canister was drained, or could not be.
    #[n(18)]
    pub(crate) drains: u32,
    /// Whether deletion was tried: a canister that is gone then was deleted by us.
    #[n(19)]
    pub(crate) deleting: bool,
    /// Whether the canister was drained since it was last looked at.
    #[n(20)]
    pub(crate) drained: bool,
    /// Whether all settings were set back.
    #[n(21)]
    pub(crate) reset: bool,
    /// Bytes that keep room for what the callback of a creation writes.
    #[cbor(n(22), with = "minicbor::bytes")]
    pub(crate) room: Vec<u8>,
    /// The canister that a search looks at, or looked at last.
    #[n(23)]
    pub(crate) candidate: Option<Id>,
    /// Searches so far.
    #[n(24)]
    #[cbor(default)]
    pub(crate) searches: u32,
    /// Cycles of a deposit that may or may not have arrived: what the canister holds will tell.
    #[n(25)]
    #[cbor(default)]
    pub(crate) unknown: Cycles,
    /// Whether the canister was seen to be gone, once.
    #[n(26)]
    #[cbor(default)]
    pub(crate) absent: bool,
    #[n(27)]
    #[cbor(default)]
    pub(crate) turn: Turn,
}

/// When an operation begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Turn {
    /// At once: somebody waits for it.
    #[n(0)]
    #[default]
    AtOnce,
    /// When others of its kind have ended.
    #[n(1)]
    Waits,
    /// It has waited, and began.
    #[n(2)]
    Came,
}

/// What an operation is for.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) enum Purpose {
    #[n(0)]
    Provision(#[n(0)] Place, #[n(1)] Plan),
    #[n(1)]
    Refill,
    #[n(2)]
    Retire(#[n(0)] Place),
    #[n(3)]
    ImportToPool,
    #[n(4)]
    Adopt(#[n(0)] Place, #[n(1)] Plan),
    /// The place is the new one.
    #[n(5)]
    Move(#[n(0)] Place, #[n(1)] Relocation),
}

/// Where a member stands in the fleet.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Place {
    #[n(0)]
    pub(crate) role: String,
    #[n(1)]
    pub(crate) parent: Id,
    #[n(2)]
    pub(crate) key: Option<String>,
}

/// For the tests of deciding code: a worker of root's, with the module of sevens.
#[cfg(test)]
impl Plan {
    pub(crate) fn sample(controllers: &[Principal], cycles: u128, rollback: Clearing) -> Self {
        Self {
            module: [7; 32],
            cycles: Cycles(cycles),
            controllers: controllers.iter().copied().map(Id).collect(),
            rollback,
        }
    }
}

#[cfg(test)]
impl Place {
    pub(crate) fn sample(parent: Principal) -> Self {
        Self {
            role: "worker".to_string(),
            parent: Id(parent),
            key: None,
        }
    }
}

impl Place {
    pub(crate) fn membership(&self, root: Principal) -> Membership {
        Membership {
            root,
            parent: self.parent.0,
            key: self.key.clone(),
        }
    }
}

/// What a member is made with, fixed when the operation is accepted.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Plan {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) module: Hash,
    #[n(1)]
    pub(crate) cycles: Cycles,
    /// All controllers, root among them, sorted.
    #[n(2)]
    pub(crate) controllers: Vec<Id>,
    #[n(3)]
    pub(crate) rollback: Clearing,
}

/// How a member comes to stand below another parent.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Relocation {
    /// The old parent.
    #[n(0)]
    pub(crate) from: Id,
    /// Who is a controller only because it is the old parent.
    #[n(1)]
    pub(crate) leaves: Option<Id>,
    /// All controllers afterwards, sorted; known once the canister was looked at.
    #[n(2)]
    pub(crate) controllers: Vec<Id>,
}

/// How a canister is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Clearing {
    /// Emptied, into the pool.
    #[n(0)]
    Recycle,
    /// Drained and deleted.
    #[n(1)]
    Delete,
}

impl From<Rollback> for Clearing {
    fn from(rollback: Rollback) -> Self {
        match rollback {
            Rollback::Recycle => Self::Recycle,
            Rollback::Delete => Self::Delete,
        }
    }
}

impl From<Retirement> for Clearing {
    fn from(how: Retirement) -> Self {
        match how {
            Retirement::Recycle => Self::Recycle,
            Retirement::Delete => Self::Delete,
        }
    }
}

/// Where the canister came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Origin {
    #[n(0)]
    Pool,
    #[n(1)]
    Fresh,
    #[n(2)]
    Imported,
}

impl From<Origin> for Source {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Pool => Self::Pool,
            Origin::Fresh => Self::Fresh,
            Origin::Imported => Self::Imported,
        }
    }
}

/// The part of an operation between two awaits, named after its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Step {
    /// `create_canister`.
    #[n(0)]
    Create,
    /// `update_settings`: the controllers of the role.
    #[n(1)]
    Configure,
    /// `deposit_cycles`: what a claimed canister lacks.
    #[n(2)]
    Fund,
    /// `install_chunked_code`.
    #[n(3)]
    Install,
    /// `canister_status`, to learn how far a member's installation really is.
    #[n(4)]
    Verify,
    /// `canic_sync`: an adopted member learns its place.
    #[n(5)]
    Sync,
    /// `canister_status`, to learn what is left to clear.
    #[n(6)]
    Inspect,
    /// `uninstall_code`.
    #[n(7)]
    Uninstall,
    /// `start_canister`.
    #[n(8)]
    Start,
    /// `update_settings`: back to the defaults, root the only controller.
    #[n(9)]
    Reset,
    /// `list_canister_snapshots` and `delete_canister_snapshot` for each.
    #[n(10)]
    DropSnapshots,
    /// `install_code` of the module that sends its cycles away.
    #[n(11)]
    LoadDrain,
    /// A call to that module.
    #[n(12)]
    Drain,
    /// `stop_canister`.
    #[n(13)]
    Stop,
    /// `delete_canister`.
    #[n(14)]
    Delete,
    /// No call: a canister created for the pool goes there.
    #[n(15)]
    Shelve,
    /// `canister_info`, to find a canister whose id was never learnt.
    #[n(16)]
    Search,
    /// No call: a member waits until those below it are retired.
    #[n(17)]
    Children,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum End {
    /// It did what it was for.
    #[n(0)]
    Done,
    /// It failed before anything was allocated.
    #[n(1)]
    Nothing,
    /// It failed; the canister went to the pool.
    #[n(2)]
    Recycled,
    /// It failed; the canister was deleted.
    #[n(3)]
    Deleted,
    /// It failed; the canister, which had existed before, is as it was.
    #[n(4)]
    Untouched,
    /// It can be neither finished nor undone.
    #[n(5)]
    Quarantined,
}

impl End {
    /// What became of the canister, if the operation failed and was undone.
    pub(crate) fn rolled_back(self) -> Option<RolledBack> {
        match self {
            Self::Nothing => Some(RolledBack::Nothing),
            Self::Recycled => Some(RolledBack::Recycled),
            Self::Deleted => Some(RolledBack::Deleted),
            Self::Untouched => Some(RolledBack::Untouched),
            Self::Done | Self::Quarantined => None,
        }
    }
}

impl Operation {
    pub(crate) fn new(id: OperationId, purpose: Purpose, step: Step, now: u64) -> Self {
        Self {
            id,
            purpose,
            step,
            in_flight: false,
            clearing: None,
            canister: None,
            source: None,
            reserved: Cycles(0),
            paid: Cycles(0),
            shortfall: Cycles(0),
            held: Cycles(0),
            attempts: 0,
            calls: 0,
            failure: None,
            not_before: 0,
            accepted: now,
            updated: now,
            end: None,
            drains: 0,
            deleting: false,
            drained: false,
            reset: false,
            room: Vec::new(),
            candidate: None,
            searches: 0,
            unknown: Cycles(0),
            absent: false,
            turn: Turn::AtOnce,
        }
    }

    pub(crate) fn canister(&self) -> Option<Principal> {
        self.canister.map(|id| id.0)
    }

    pub(crate) fn kind(&self) -> OperationKind {
        match self.purpose {
            Purpose::Provision(..) => OperationKind::Provision,
            Purpose::Refill => OperationKind::Refill,
            Purpose::Retire(_) => OperationKind::Retire,
            Purpose::ImportToPool => OperationKind::ImportToPool,
            Purpose::Adopt(..) => OperationKind::Adopt,
            Purpose::Move(..) => OperationKind::Move,
        }
    }

    /// Goes on with another step, whose tries are counted anew.
    pub(crate) fn go(&mut self, step: Step) {
        self.step = step;
        self.attempts = 0;
    }

    /// The parents below which the canister stands or is to stand.
    pub(crate) fn parents(&self) -> impl Iterator<Item = Principal> + use<> {
        let from = match &self.purpose {
            Purpose::Move(_, relocation) => Some(relocation.from.0),
            _ => None,
        };
        let to = self.place().map(|place| place.parent.0);
        from.into_iter().chain(to)
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        match &self.purpose {
            Purpose::Provision(place, _)
            | Purpose::Adopt(place, _)
            | Purpose::Retire(place)
            | Purpose::Move(place, _) => Some(place),
            Purpose::Refill | Purpose::ImportToPool => None,
        }
    }

    /// The controllers that the canister is to have.
    pub(crate) fn controllers(&self) -> Option<&[Id]> {
        match &self.purpose {
            Purpose::Move(_, relocation) => Some(&relocation.controllers),
            _ => self.plan().map(|plan| plan.controllers.as_slice()),
        }
    }

    pub(crate) fn plan(&self) -> Option<&Plan> {
        match &self.purpose {
            Purpose::Provision(_, plan) | Purpose::Adopt(_, plan) => Some(plan),
            _ => None,
        }
    }
}

/// A section of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Open,
    Quarantined,
    Closed,
}

impl Section {
    #[cfg(test)]
    const ALL: [Self; 3] = [Self::Open, Self::Quarantined, Self::Closed];

    fn of(operation: &Operation) -> Self {
        match operation.end {
            None => Self::Open,
            Some(End::Quarantined) => Self::Quarantined,
            Some(_) => Self::Closed,
        }
    }
}

/// All operations, and the arguments of those that are open.
pub(crate) struct Journal {
    records: Shelf<Operation, 320>,
    arguments: StableBTreeMap<u64, Vec<u8>, Memory>,
    open: Open,
    quarantined: BTreeMap<OperationId, Spot>,
    closed: BTreeMap<OperationId, Spot>,
    /// Where the records of the open ones lie.
    spots: BTreeMap<OperationId, Spot>,
    /// The open or quarantined operation that holds a canister.
    holders: BTreeMap<Principal, OperationId>,
    /// The operation that ended last: whoever waited for it asks for it next.
    ended: Option<Operation>,
}

impl Journal {
    pub(crate) fn open(records: u8, arguments: u8) -> Self {
        let mut all = Vec::new();
        let records = Shelf::open(records, |spot, op| all.push((spot, op)));
        let mut journal = Self {
            records,
            arguments: StableBTreeMap::init(memory::open(arguments)),
            open: Open::default(),
            quarantined: BTreeMap::new(),
            closed: BTreeMap::new(),
            spots: BTreeMap::new(),
            holders: BTreeMap::new(),
            ended: None,
        };
        for (spot, op) in all {
            journal.keep(spot, op);
        }
        journal
    }

    /// Puts an operation of which the record lies at a spot where it belongs on the heap.
    fn keep(&mut self, spot: Spot, op: Operation) {
        let (id, section) = (op.id, Section::of(&op));
        if let Some(canister) = op.canister() {
            if section != Section::Closed {
                self.holders.insert(canister, id);
            } else if self.holders.get(&canister) == Some(&id) {
                self.holders.remove(&canister);
            }
        }
        match section {
            Section::Open => {
                self.spots.insert(id, spot);
                self.open.put(op);
            }
            Section::Quarantined => drop(self.quarantined.insert(id, spot)),
            Section::Closed => drop(self.closed.insert(id, spot)),
        }
    }

    pub(crate) fn get(&self, id: OperationId) -> Option<Operation> {
        let ended = self.ended.as_ref().filter(|op| op.id == id);
        if let Some(op) = self.open.get(id).or(ended) {
            return Some(op.clone());
        }
        let spot = self.closed.get(&id).or(self.quarantined.get(&id))?;
        Some(self.records.get(*spot))
    }

    /// Writes an operation, which belongs into another section if it ended, or was taken up again.
    pub(crate) fn put(&mut self, mut op: Operation) {
        let id = op.id;
        if let Some(reason) = &mut op.failure {
            reason.truncate(platform::shorten(reason).len());
        }
        let before = [&mut self.spots, &mut self.quarantined, &mut self.closed]
            .into_iter()
            .find_map(|section| section.remove(&id));
        let spot = self.records.put(before, &op);
        match Section::of(&op) {
            Section::Open => drop(self.ended.take_if(|ended| ended.id == id)),
            Section::Quarantined | Section::Closed => {
                self.open.remove(id);
                self.arguments.remove(&id);
                self.ended = Some(op.clone());
            }
        }
        self.keep(spot, op);
        while self.closed.len() > MAX_CLOSED
            && let Some((_, spot)) = self.closed.pop_first()
        {
            self.records.remove(spot);
        }
    }

    /// Forgets closed operations below a number, so many as one message is good for.
    pub(crate) fn forget(&mut self, before: OperationId) -> Pruned {
        let mut old = self.closed.range(..before);
        let forgotten: Vec<(OperationId, Spot)> = old
            .by_ref()
            .take(MAX_FORGOTTEN)
            .map(|(id, spot)| (*id, *spot))
            .collect();
        let more = old.next().is_some();
        for (id, spot) in &forgotten {
            self.closed.remove(id);
            self.records.remove(*spot);
            self.ended.take_if(|ended| ended.id == *id);
        }
        Pruned {
            forgotten: forgotten.len() as u64,
            more,
        }
    }

    /// The operations that have not ended, oldest first.
    pub(crate) fn open_operations(&self) -> impl Iterator<Item = &Operation> {
        self.open.from(0)
    }

    /// How many operations have not ended.
    pub(crate) fn open_count(&self) -> u64 {
        self.open.len()
    }

    /// How many of them wait for their turn.
    pub(crate) fn waiting(&self) -> u64 {
        self.open.waiting()
    }

    /// How many of them had to wait, and have begun.
    pub(crate) fn in_background(&self) -> u64 {
        self.open.in_background()
    }

    /// The one that has waited longest.
    pub(crate) fn next_waiting(&self) -> Option<OperationId> {
        self.open.next_waiting()
    }

    /// A member that is being moved.
    pub(crate) fn moving(&self) -> Option<OperationId> {
        let is_move = |op: &&Operation| op.kind() == OperationKind::Move;
        let none = self.open_of(OperationKind::Move) == 0;
        let moves = (!none).then(|| self.open_operations().find(is_move));
        moves.flatten().map(|op| op.id)
    }

    /// How many operations of a kind have not ended.
    pub(crate) fn open_of(&self, kind: OperationKind) -> u64 {
        self.open.of_kind(kind)
    }

    /// Cycles that open operations still have to send.
    pub(crate) fn reserved(&self) -> u128 {
        self.open.reserved()
    }

    /// An open operation whose canister is to stand below a parent, or stands there and is to leave.
    pub(crate) fn below(&self, parent: Principal) -> Option<OperationId> {
        self.open.below(parent)
    }

    /// How many operations are in quarantine.
    pub(crate) fn quarantined(&self) -> u64 {
        self.quarantined.len() as u64
    }

    pub(crate) fn list(
        &self,
        section: Section,
        after: Option<OperationId>,
    ) -> Box<dyn Iterator<Item = Operation> + '_> {
        let from = after.map_or(0, |id| id.saturating_add(1));
        let records = match section {
            Section::Open => return Box::new(self.open.from(from).cloned()),
            Section::Quarantined => &self.quarantined,
            Section::Closed => &self.closed,
        };
        Box::new(
            records
                .range(from..)
                .map(|(_, spot)| self.records.get(*spot)),
        )
    }

    pub(crate) fn set_argument(&mut self, id: OperationId, argument: Vec<u8>) {
        if !argument.is_empty() {
            self.arguments.insert(id, argument);
        }
    }

    pub(crate) fn argument(&self, id: OperationId) -> Vec<u8> {
        self.arguments.get(&id).unwrap_or_default()
    }

    /// The open or quarantined operation that holds a canister.
    pub(crate) fn holder(&self, canister: Principal) -> Option<Operation> {
        self.get(*self.holders.get(&canister)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn operation(id: u64) -> Operation {
        Operation {
            reserved: Cycles(id.into()),
            turn: [Turn::AtOnce, Turn::Waits, Turn::Came][id as usize % 3],
            ..Operation::new(id, Purpose::Refill, Step::Create, 0)
        }
    }

    fn ids(journal: &Journal, section: Section) -> Vec<u64> {
        journal.list(section, None).map(|op| op.id).collect()
    }

    /// What the journal counts, by section.
    fn counts(journal: &Journal) -> [u64; 3] {
        [
            journal.open_count(),
            journal.quarantined(),
            journal.closed.len() as u64,
        ]
    }

    /// What is asked of all open operations.
    fn at_hand(journal: &Journal) -> (u64, u64, u64, u128, Option<u64>) {
        let refills = journal.open_of(OperationKind::Refill);
        let (waiting, begun) = (journal.waiting(), journal.in_background());
        (
            waiting,
            begun,
            refills,
            journal.reserved(),
            journal.next_waiting(),
        )
    }

    /// The same, counted anew.
    fn listed(journal: &Journal) -> [u64; 3] {
        Section::ALL.map(|section| ids(journal, section).len() as u64)
    }

    /// An operation of one of four canisters, or of none, open or ended.
    fn change() -> impl Strategy<Value = (u64, Option<u8>, Option<End>)> {
        let end = prop_oneof![
            Just(None),
            Just(Some(End::Done)),
            Just(Some(End::Quarantined)),
            Just(Some(End::Recycled)),
        ];
        (1..12u64, prop::option::of(0..4u8), end)
    }

    proptest! {
        /// Against a map of operations by number.
        #[test]
        fn behaves_like_a_map_of_operations(changes in prop::collection::vec(change(), 1..80)) {
            memory::forget();
            let mut journal = Journal::open(0, 1);
            let mut model: BTreeMap<u64, (Option<Principal>, Option<End>)> = BTreeMap::new();
            let is_held = |end: Option<End>| matches!(end, None | Some(End::Quarantined));
            for (id, canister, end) in changes {
                let canister = canister.map(|n| Principal::from_slice(&[n, 9]));
                let before = model.get(&id).copied();
                let closed = before.is_some_and(|(_, end)| !is_held(end));
                let other = model.iter().any(|(other, (held, end))| {
                    *other != id && held.is_some() && *held == canister && is_held(*end)
                });
                // What is closed stays so, an operation keeps its canister, and no two hold the same.
                let moved = before.is_some_and(|(held, _)| held.is_some() && held != canister);
                if closed || moved || other {
                    continue;
                }
                model.insert(id, (canister, end));
                journal.put(Operation { canister: canister.map(Id), end, ..operation(id) });
                if end.is_none() {
                    journal.set_argument(id, vec![id as u8]);
                }

                for (id, (canister, end)) in &model {
                    let op = journal.get(*id).unwrap();
                    prop_assert_eq!((op.canister(), op.end), (*canister, *end));
                    let argument = if end.is_none() { vec![*id as u8] } else { Vec::new() };
                    prop_assert_eq!(journal.argument(*id), argument);
                }
                for section in Section::ALL {
                    let expected: Vec<u64> = model
                        .iter()
                        .filter(|(_, (_, end))| {
                            Section::of(&Operation { end: *end, ..operation(0) }) == section
                        })
                        .map(|(id, _)| *id)
                        .collect();
                    prop_assert_eq!(ids(&journal, section), expected);
                }
                prop_assert_eq!(counts(&journal), listed(&journal));
                let held = |canister| {
                    let holds = |(held, end): &(Option<Principal>, Option<End>)| {
                        *held == Some(canister) && is_held(*end)
                    };
                    model.iter().find(|(_, op)| holds(op)).map(|(id, _)| *id)
                };
                for n in 0..4 {
                    let canister = Principal::from_slice(&[n, 9]);
                    let holder = journal.holder(canister).map(|op| op.id);
                    prop_assert_eq!(holder, held(canister));
                }
            }
            // A journal that is opened again is the same.
            let again = Journal::open(0, 1);
            prop_assert!(again.open_operations().eq(journal.open_operations()));
            prop_assert_eq!(at_hand(&again), at_hand(&journal));
            prop_assert_eq!(counts(&again), listed(&journal));
            for n in 0..4 {
                let canister = Principal::from_slice(&[n, 9]);
                prop_assert_eq!(again.holder(canister), journal.holder(canister));
            }
        }
    }

    #[test]
    fn an_operation_is_in_the_section_where_it_belongs_and_in_no_other() {
        let mut journal = Journal::open(0, 1);
        for id in 1..=3 {
            journal.put(operation(id));
        }
        journal.put(Operation {
            end: Some(End::Quarantined),
            ..operation(2)
        });
        journal.put(Operation {
            end: Some(End::Done),
            ..operation(3)
        });
        assert_eq!(ids(&journal, Section::Open), [1]);
        assert_eq!(ids(&journal, Section::Quarantined), [2]);
        assert_eq!(ids(&journal, Section::Closed), [3]);
        // Out of quarantine again.
        journal.put(operation(2));
        assert_eq!(ids(&journal, Section::Open), [1, 2]);
        assert!(ids(&journal, Section::Quarantined).is_empty());
    }

    #[test]
    fn an_argument_goes_when_its_operation_is_closed() {
        let mut journal = Journal::open(0, 1);
        journal.put(operation(1));
        journal.set_argument(1, vec![1, 2, 3]);
        assert_eq!(journal.argument(1), [1, 2, 3]);
        journal.put(Operation {
            end: Some(End::Done),
            ..operation(1)
        });
        assert!(journal.argument(1).is_empty());
    }

    #[test]
    fn the_oldest_closed_operations_give_way_and_open_ones_never() {
        let mut journal = Journal::open(0, 1);
        journal.put(operation(1));
        for id in 2..MAX_CLOSED as u64 + 12 {
            journal.put(Operation {
                end: Some(End::Done),
                ..operation(id)
            });
        }
        assert_eq!(journal.list(Section::Closed, None).count(), MAX_CLOSED);
        assert_eq!(journal.list(Section::Closed, None).next().unwrap().id, 12);
        assert!(journal.get(1).is_some() && journal.get(2).is_none());
    }

    #[test]
    fn closed_operations_can_be_forgotten_piece_by_piece() {
        memory::forget();
        let mut journal = Journal::open(0, 1);
        for id in 1..=2_500 {
            let end = match id {
                10 => None,
                20 => Some(End::Quarantined),
                _ => Some(End::Done),
            };
            journal.put(Operation {
                end,
                ..operation(id)
            });
        }
        let told: Vec<_> = (0..3)
            .map(|_| journal.forget(2_401))
            .map(|pruned| (pruned.forgotten, pruned.more))
            .collect();
        assert_eq!(told, [(1_000, true), (1_000, true), (398, false)]);
        assert_eq!(
            ids(&journal, Section::Closed),
            Vec::from_iter(2_401..=2_500)
        );
        assert_eq!(ids(&journal, Section::Open), [10]);
        assert_eq!(ids(&journal, Section::Quarantined), [20]);
        assert_eq!(Journal::open(0, 1).closed, journal.closed);
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let place = Place {
            role: "worker".to_string(),
            parent: Id(Principal::management_canister()),
            key: Some("k".to_string()),
        };
        let plan = Plan {
            module: [3; 32],
            cycles: Cycles(u128::MAX),
            controllers: vec![Id(Principal::anonymous())],
            rollback: Clearing::Delete,
        };
        let op = Operation {
            canister: Some(Id(Principal::from_slice(&[5; 29]))),
            source: Some(Origin::Pool),
            clearing: Some(Clearing::Recycle),
            failure: Some("why".to_string()),
            end: Some(End::Recycled),
            ..Operation::new(u64::MAX, Purpose::Provision(place, plan), Step::Delete, 1)
        };
        assert_eq!(
            minicbor::decode::<Operation>(&memory::encode(&op)).unwrap(),
            op
        );
    }
}
