//! The operations that have not ended, on the heap, with what decisions ask of all of them as counts and sets.

use crate::{
    api::{OperationId, OperationKind},
    operation::{Admission, Operation},
};
use candid::Principal;
use std::collections::{BTreeMap, BTreeSet};

/// The open operations, as they are on record.
#[derive(Default)]
pub(crate) struct OpenOperations {
    operations: BTreeMap<OperationId, Operation>,
    queued: BTreeSet<OperationId>,
    /// How many had to wait, and have begun.
    in_background: u64,
    /// What they still have to send, in cycles.
    reserved: u128,
    /// How many there are of each kind.
    kinds: BTreeMap<OperationKind, u64>,
    /// Those whose canister is to stand below a parent, or stands there and is to leave.
    below: BTreeSet<(Principal, OperationId)>,
}

impl OpenOperations {
    pub(crate) fn put(&mut self, operation: Operation) {
        self.remove(operation.id);
        match operation.admission {
            Admission::Immediate => {}
            Admission::Queued => drop(self.queued.insert(operation.id)),
            Admission::Dequeued => self.in_background += 1,
        }
        self.reserved += operation.money.reserved.0;
        *self.kinds.entry(operation.kind()).or_default() += 1;
        for parent in operation.parents() {
            self.below.insert((parent, operation.id));
        }
        self.operations.insert(operation.id, operation);
    }

    pub(crate) fn remove(&mut self, id: OperationId) {
        let Some(operation) = self.operations.remove(&id) else {
            return;
        };
        match operation.admission {
            Admission::Immediate => {}
            Admission::Queued => drop(self.queued.remove(&id)),
            Admission::Dequeued => self.in_background -= 1,
        }
        self.reserved -= operation.money.reserved.0;
        if let Some(count) = self.kinds.get_mut(&operation.kind()) {
            *count -= 1;
        }
        for parent in operation.parents() {
            self.below.remove(&(parent, id));
        }
    }

    pub(crate) fn get(&self, id: OperationId) -> Option<&Operation> {
        self.operations.get(&id)
    }

    /// In the order of their numbers, from one on.
    pub(crate) fn from(&self, id: OperationId) -> impl Iterator<Item = &Operation> {
        self.operations.range(id..).map(|(_, op)| op)
    }

    pub(crate) fn len(&self) -> u64 {
        self.operations.len() as u64
    }

    /// How many wait for their turn.
    pub(crate) fn queued(&self) -> u64 {
        self.queued.len() as u64
    }

    /// The one that has waited longest.
    pub(crate) fn first_queued(&self) -> Option<OperationId> {
        self.queued.first().copied()
    }

    /// How many had to wait, and have begun.
    pub(crate) fn in_background(&self) -> u64 {
        self.in_background
    }

    /// Cycles that they still have to send.
    pub(crate) fn reserved(&self) -> u128 {
        self.reserved
    }

    /// How many there are of a kind.
    pub(crate) fn of_kind(&self, kind: OperationKind) -> u64 {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }

    /// One whose canister is to stand below a parent, or stands there and is to leave.
    pub(crate) fn below(&self, parent: Principal) -> Option<OperationId> {
        let mut below = self.below.range((parent, 0)..=(parent, u64::MAX));
        below.next().map(|(_, id)| *id)
    }
}
