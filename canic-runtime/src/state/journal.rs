//! The journal: one record per operation, written before each call (the intent) and after it (the fact).
//!
//! An operation is in one of three sections: open, quarantined, closed. The open ones are on the heap as well ([`Open`]);
//! closed ones are kept for reading, the oldest giving way when there are more than [`MAX_CLOSED`].

use crate::{
    api::{OperationId, OperationKind, Pruned},
    operation::call::shorten,
    operation::{End, Operation},
    stable::{
        memory::{self, Memory},
        record_store::{RecordId, RecordStore},
    },
    state::open_operations::OpenOperations,
};
use candid::Principal;
use ic_stable_structures::StableBTreeMap;
use std::collections::BTreeMap;

/// Closed operations that are kept.
pub(crate) const MAX_CLOSED: usize = 10_000;

/// Closed operations that are forgotten in one message at most.
const MAX_FORGOTTEN: usize = 1_000;

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
    records: RecordStore<Operation, 320>,
    arguments: StableBTreeMap<u64, Vec<u8>, Memory>,
    open: OpenOperations,
    quarantined: BTreeMap<OperationId, RecordId>,
    closed: BTreeMap<OperationId, RecordId>,
    /// Where the records of the open ones lie.
    spots: BTreeMap<OperationId, RecordId>,
    /// The open or quarantined operation that holds a canister.
    holders: BTreeMap<Principal, OperationId>,
    /// The operation that ended last: whoever waited for it asks for it next.
    ended: Option<Operation>,
}

impl Journal {
    pub(crate) fn open(records: u8, arguments: u8) -> Self {
        let mut all = Vec::new();
        let records = RecordStore::open(records, |spot, op| all.push((spot, op)));
        let mut journal = Self {
            records,
            arguments: StableBTreeMap::init(memory::open(arguments)),
            open: OpenOperations::default(),
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
    fn keep(&mut self, spot: RecordId, op: Operation) {
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
            reason.truncate(shorten(reason).len());
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
        let forgotten: Vec<(OperationId, RecordId)> = old
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
    pub(crate) fn queued(&self) -> u64 {
        self.open.queued()
    }

    /// How many of them had to wait, and have begun.
    pub(crate) fn in_background(&self) -> u64 {
        self.open.in_background()
    }

    /// The one that has waited longest.
    pub(crate) fn first_queued(&self) -> Option<OperationId> {
        self.open.first_queued()
    }

    /// The move that has not ended.
    pub(crate) fn open_move(&self) -> Option<OperationId> {
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
    use crate::{
        operation::{
            Admission, Money, Origin, Plan, Position, Purpose, Step, Teardown, TeardownState,
        },
        stable::record::{self, Cycles, Id},
    };
    use proptest::prelude::*;

    fn operation(id: u64) -> Operation {
        Operation {
            money: Money {
                reserved: Cycles(id.into()),
                ..Money::default()
            },
            admission: [Admission::Immediate, Admission::Queued, Admission::Dequeued]
                [id as usize % 3],
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
        let (waiting, begun) = (journal.queued(), journal.in_background());
        (
            waiting,
            begun,
            refills,
            journal.reserved(),
            journal.first_queued(),
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
        let position = Position {
            role: "worker".to_string(),
            parent: Id(Principal::management_canister()),
            key: Some("k".to_string()),
        };
        let plan = Plan {
            module: [3; 32],
            cycles: Cycles(u128::MAX),
            controllers: vec![Id(Principal::anonymous())],
            rollback: Teardown::Delete,
        };
        let op = Operation {
            canister: Some(Id(Principal::from_slice(&[5; 29]))),
            source: Some(Origin::Pool),
            teardown: Some(TeardownState::new(Teardown::Recycle)),
            failure: Some("why".to_string()),
            end: Some(End::Recycled),
            ..Operation::new(
                u64::MAX,
                Purpose::Provision(position, plan),
                Step::Delete,
                1,
            )
        };
        assert_eq!(
            minicbor::decode::<Operation>(&record::encode(&op)).unwrap(),
            op
        );
    }
}
