//! The journal: one record per operation, written before each call (the intent) and after it (the
//! fact).
//!
//! An operation is in one of three sections: open, quarantined, closed. Open operations are cached
//! on the heap ([`OpenOperations`]). Closed operations stay for reading; beyond [`MAX_CLOSED`] the
//! journal drops the oldest.

use std::collections::{BTreeMap, BTreeSet};

use candid::Principal;
use ic_stable_structures::StableBTreeMap;

use crate::{
    api::{OperationId, OperationKind, Pruned},
    operation::{End, Operation, call::shorten},
    stable::{
        cbor::Reader,
        memory::{self, Memory},
        record,
        record_store::{RecordId, RecordStore},
    },
    state::open_operations::OpenOperations,
};

/// Closed operations that the journal keeps.
pub(crate) const MAX_CLOSED: usize = 10_000;

/// The place of an operation's end in its record.
const END: u64 = 14;

/// Closed operations that the journal drops in one message at most.
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

/// The number and the end of an operation, if it is closed: all that the journal's indexes hold of
/// it. Reading no more takes a tenth of the instructions, and an upgrade of root does it for each
/// operation.
fn end_of_closed(record: &[u8]) -> Option<(OperationId, End)> {
    let mut reader = Reader::new(record);
    if reader.array().ok()? <= END {
        return None;
    }
    let id = reader.number().ok()?;
    for _ in 1..END {
        reader.skip().ok()?;
    }
    let end = reader.optional(Reader::number).ok()??;
    End::of_number(end)
        .filter(|end| *end != End::Quarantined)
        .map(|end| (id, end))
}

/// All operations, and the arguments of the open ones.
pub(crate) struct Journal {
    records: RecordStore<Operation, 320>,
    arguments: StableBTreeMap<u64, Vec<u8>, Memory>,
    open: OpenOperations,
    quarantined: BTreeMap<OperationId, RecordId>,
    closed: BTreeMap<OperationId, RecordId>,
    /// The closed operations that root gave up.
    abandoned: BTreeSet<OperationId>,
    /// The record ids of the open operations.
    record_ids: BTreeMap<OperationId, RecordId>,
    /// The open or quarantined operation that holds a canister.
    holders: BTreeMap<Principal, OperationId>,
    /// The operation that ended last: the request that waited for it reads it next.
    ended: Option<Operation>,
    /// The operation whose last change is on the heap only, until the present message ends.
    kept: Option<OperationId>,
}

impl Journal {
    /// Reads the journal from stable memory.
    pub(crate) fn open(records: u8, arguments: u8) -> Self {
        let (mut all, mut closed) = (Vec::new(), Vec::new());
        let mut abandoned = BTreeSet::new();
        let records = RecordStore::open(records, |record_id, op| match end_of_closed(op) {
            Some((id, end)) => {
                closed.push((id, record_id));
                if end == End::Abandoned {
                    abandoned.insert(id);
                }
            }
            None => all.push((record_id, record::decode(op))),
        });
        let mut journal = Self {
            records,
            arguments: StableBTreeMap::init(memory::open(arguments)),
            open: OpenOperations::default(),
            quarantined: BTreeMap::new(),
            closed: closed.into_iter().collect(),
            abandoned,
            record_ids: BTreeMap::new(),
            holders: BTreeMap::new(),
            ended: None,
            kept: None,
        };
        for (record_id, op) in all {
            journal.index(record_id, op);
        }
        journal
    }

    /// Adds an operation with its record to the indexes on the heap.
    fn index(&mut self, record_id: RecordId, op: Operation) {
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
                self.record_ids.insert(id, record_id);
                self.open.put(op);
            }
            Section::Quarantined => drop(self.quarantined.insert(id, record_id)),
            Section::Closed => {
                if op.end == Some(End::Abandoned) {
                    self.abandoned.insert(id);
                }
                self.closed.insert(id, record_id);
            }
        }
    }

    /// The operation with a number, in whatever section.
    pub(crate) fn get(&self, id: OperationId) -> Option<Operation> {
        let ended = self.ended.as_ref().filter(|op| op.id == id);
        if let Some(op) = self.open.get(id).or(ended) {
            return Some(op.clone());
        }
        let record_id = self.closed.get(&id).or(self.quarantined.get(&id))?;
        Some(self.records.get(*record_id))
    }

    /// An operation that root gave up.
    pub(crate) fn abandoned(&self, id: OperationId) -> Option<Operation> {
        let is_abandoned = self.abandoned.contains(&id);
        is_abandoned.then(|| self.get(id)).flatten()
    }

    /// Changes an open operation that the present message is about to write again, with its next
    /// intent. [`Self::write_kept`] writes it if that does not happen.
    pub(crate) fn keep(&mut self, op: Operation) {
        let before = self.open.get(op.id);
        if before.is_none_or(|before| before.canister != op.canister) || op.end.is_some() {
            return self.put(op);
        }
        self.write_kept();
        self.kept = Some(op.id);
        self.open.put(op);
    }

    /// Writes the operation that was kept and not written since.
    pub(crate) fn write_kept(&mut self) {
        if let Some(op) = self.kept.take().and_then(|id| self.open.get(id)) {
            self.put(op.clone());
        }
    }

    /// Writes an operation. The operation changes its section if it ended or was opened again.
    pub(crate) fn put(&mut self, mut op: Operation) {
        let id = op.id;
        self.kept.take_if(|kept| *kept == id);
        if let Some(reason) = &mut op.failure {
            reason.truncate(shorten(reason).len());
        }
        if let Some(record_id) = self.record_ids.get(&id)
            && Section::of(&op) == Section::Open
        {
            self.records.put(Some(*record_id), &op);
            if let Some(canister) = op.canister() {
                self.holders.insert(canister, id);
            }
            return self.open.put(op);
        }
        let old = [
            &mut self.record_ids,
            &mut self.quarantined,
            &mut self.closed,
        ]
        .into_iter()
        .find_map(|section| section.remove(&id));
        self.abandoned.remove(&id);
        let record_id = self.records.put(old, &op);
        match Section::of(&op) {
            Section::Open => drop(self.ended.take_if(|ended| ended.id == id)),
            Section::Quarantined | Section::Closed => {
                self.open.remove(id);
                self.arguments.remove(&id);
                self.ended = Some(op.clone());
            }
        }
        self.index(record_id, op);
        while self.closed.len() > MAX_CLOSED
            && let Some((oldest, record_id)) = self.closed.pop_first()
        {
            self.abandoned.remove(&oldest);
            self.records.remove(record_id);
        }
    }

    /// Drops closed operations below a number, [`MAX_FORGOTTEN`] at most.
    pub(crate) fn forget(&mut self, before: OperationId) -> Pruned {
        let mut old = self.closed.range(..before);
        let forgotten: Vec<(OperationId, RecordId)> = old
            .by_ref()
            .take(MAX_FORGOTTEN)
            .map(|(id, record_id)| (*id, *record_id))
            .collect();
        let more = old.next().is_some();
        for (id, record_id) in &forgotten {
            self.closed.remove(id);
            self.abandoned.remove(id);
            self.records.remove(*record_id);
            self.ended.take_if(|ended| ended.id == *id);
        }
        Pruned {
            forgotten: forgotten.len() as u64,
            more,
        }
    }

    /// The open operations, oldest first.
    pub(crate) fn open_operations(&self) -> impl Iterator<Item = &Operation> {
        self.open.from(0)
    }

    /// The number of open operations.
    pub(crate) fn open_count(&self) -> u64 {
        self.open.len()
    }

    /// The number of queued operations.
    pub(crate) fn queued_count(&self) -> u64 {
        self.open.queued_count()
    }

    /// The number of operations that were queued and run in the background.
    pub(crate) fn background_count(&self) -> u64 {
        self.open.background_count()
    }

    /// The operation that was queued first.
    pub(crate) fn first_queued(&self) -> Option<OperationId> {
        self.open.first_queued()
    }

    /// The open move. There is one at most.
    pub(crate) fn open_move(&self) -> Option<OperationId> {
        let is_move = |op: &&Operation| op.kind() == OperationKind::Move;
        let none = self.open_of(OperationKind::Move) == 0;
        let moves = (!none).then(|| self.open_operations().find(is_move));
        moves.flatten().map(|op| op.id)
    }

    /// The number of open operations of a kind.
    pub(crate) fn open_of(&self, kind: OperationKind) -> u64 {
        self.open.of_kind(kind)
    }

    /// The number of open operations of a rollout.
    pub(crate) fn open_upgrades(&self, rollout: u32) -> u32 {
        self.open.of_rollout(rollout)
    }

    /// Cycles that open operations still have to send.
    pub(crate) fn reserved(&self) -> u128 {
        self.open.reserved()
    }

    /// An open operation whose canister is, or is to be, below a parent.
    pub(crate) fn below(&self, parent: Principal) -> Option<OperationId> {
        self.open.below(parent)
    }

    /// The number of operations in quarantine.
    pub(crate) fn quarantined_count(&self) -> u64 {
        self.quarantined.len() as u64
    }

    /// The operations of a section after a number, oldest first.
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
                .map(|(_, record_id)| self.records.get(*record_id)),
        )
    }

    /// Writes the argument of a member's `init`. It is dropped when the operation ends.
    pub(crate) fn set_argument(&mut self, id: OperationId, argument: Vec<u8>) {
        if !argument.is_empty() {
            self.arguments.insert(id, argument);
        }
    }

    /// The argument of the member's `init`: empty if there is none.
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
    use proptest::prelude::*;

    use super::*;
    use crate::{
        operation::{
            Admission, Money, Origin, Plan, Position, Purpose, Step, Teardown, TeardownState,
        },
        stable::record::{Cycles, Id},
    };

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

    #[test]
    fn a_closed_operation_is_known_without_decoding_its_record() {
        let purposes = [
            Purpose::Refill,
            Purpose::Provision(
                Position::sample(Principal::from_slice(&[1])),
                Plan::sample(&[Principal::from_slice(&[2; 29])], 7, Teardown::Recycle),
            ),
        ];
        let ends = (0..20).map(End::of_number).collect::<Vec<_>>();
        assert_eq!(ends.iter().flatten().count(), 8, "each end once");
        for (end, purpose) in ends.into_iter().zip(purposes.iter().cycle()) {
            let mut op = Operation::new(1 << 40, purpose.clone(), Step::Create, 0);
            op.failure = end.map(|end| format!("{end:?}"));
            op.end = end;
            let closed = end.filter(|_| Section::of(&op) == Section::Closed);
            let closed = closed.map(|end| (op.id, end));
            assert_eq!(end_of_closed(&record::encode(&op)), closed);
        }
    }

    fn ids(journal: &Journal, section: Section) -> Vec<u64> {
        journal.list(section, None).map(|op| op.id).collect()
    }

    /// The journal's own counts, by section.
    fn counts(journal: &Journal) -> [u64; 3] {
        [
            journal.open_count(),
            journal.quarantined_count(),
            journal.closed.len() as u64,
        ]
    }

    /// The aggregates of the open operations.
    fn aggregates(journal: &Journal) -> (u64, u64, u64, u128, Option<u64>) {
        (
            journal.queued_count(),
            journal.background_count(),
            journal.open_of(OperationKind::Refill),
            journal.reserved(),
            journal.first_queued(),
        )
    }

    /// The numbers of listed operations, by section.
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
            Just(Some(End::Abandoned)),
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
                // A closed operation stays closed, an operation keeps its canister, and no two
                // operations hold the same canister.
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
                for (id, (_, end)) in &model {
                    let found = journal.abandoned(*id).map(|op| op.id);
                    prop_assert_eq!(found, (*end == Some(End::Abandoned)).then_some(*id));
                }
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
            // The journal that stable memory gives back is the same.
            let again = Journal::open(0, 1);
            prop_assert!(again.open_operations().eq(journal.open_operations()));
            prop_assert_eq!(aggregates(&again), aggregates(&journal));
            prop_assert_eq!(counts(&again), listed(&journal));
            prop_assert_eq!(&again.abandoned, &journal.abandoned);
            for n in 0..4 {
                let canister = Principal::from_slice(&[n, 9]);
                prop_assert_eq!(again.holder(canister), journal.holder(canister));
            }
        }
    }

    #[test]
    fn an_operation_is_in_exactly_one_section() {
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
        // The operation leaves its quarantine.
        journal.put(operation(2));
        assert_eq!(ids(&journal, Section::Open), [1, 2]);
        assert!(ids(&journal, Section::Quarantined).is_empty());
    }

    #[test]
    fn an_argument_is_dropped_when_its_operation_is_closed() {
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
    fn the_oldest_closed_operations_are_dropped_and_open_ones_never() {
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
    fn closed_operations_are_forgotten_in_batches() {
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
        let batches: Vec<_> = (0..3)
            .map(|_| journal.forget(2_401))
            .map(|pruned| (pruned.forgotten, pruned.more))
            .collect();
        assert_eq!(batches, [(1_000, true), (1_000, true), (398, false)]);
        assert_eq!(
            ids(&journal, Section::Closed),
            Vec::from_iter(2_401..=2_500)
        );
        assert_eq!(ids(&journal, Section::Open), [10]);
        assert_eq!(ids(&journal, Section::Quarantined), [20]);
        assert_eq!(Journal::open(0, 1).closed, journal.closed);
        assert_eq!(Journal::open(0, 1).abandoned, journal.abandoned);
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

    #[test]
    fn a_kept_operation_is_written_once_at_the_end_of_the_message() {
        memory::forget();
        let mut journal = Journal::open(0, 1);
        let calls = |journal: &Journal| journal.get(1).unwrap().retry.calls;
        let kept = |calls| {
            let mut op = operation(1);
            op.retry.calls = calls;
            op
        };
        journal.put(kept(1));
        journal.keep(kept(2));
        assert_eq!((calls(&journal), calls(&Journal::open(0, 1))), (2, 1));
        journal.write_kept();
        assert_eq!(calls(&Journal::open(0, 1)), 2);
        // Another operation, or an end, does not lose what was kept before.
        journal.keep(kept(3));
        journal.put(operation(2));
        journal.keep(operation(2));
        assert_eq!(calls(&Journal::open(0, 1)), 3);
        journal.keep(kept(4));
        journal.put(Operation {
            end: Some(End::Done),
            ..kept(5)
        });
        journal.write_kept();
        assert_eq!((calls(&journal), calls(&Journal::open(0, 1))), (5, 5));
    }
}
