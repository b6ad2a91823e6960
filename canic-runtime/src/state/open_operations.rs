//! The open operations, cached on the heap, with the counts and sets that decisions ask for.

use std::collections::{BTreeMap, BTreeSet};

use candid::Principal;

use crate::{
    api::{OperationId, OperationKind},
    operation::{Admission, Operation},
};

/// The open operations, equal to their records.
#[derive(Default)]
pub(crate) struct OpenOperations {
    operations: BTreeMap<OperationId, Operation>,
    queued: BTreeSet<OperationId>,
    /// The number of operations that were queued and run in the background.
    in_background: u64,
    /// Cycles that they still have to send.
    reserved: u128,
    /// The number of operations of each kind.
    kinds: BTreeMap<OperationKind, u64>,
    /// The number of operations of each rollout.
    rollouts: BTreeMap<u32, u32>,
    /// The operations by each parent below which their canister is, or is to be.
    below: BTreeSet<(Principal, OperationId)>,
}

impl OpenOperations {
    pub(crate) fn put(&mut self, operation: Operation) {
        if let Some(before) = self.operations.get_mut(&operation.id)
            && counts_like(before, &operation)
        {
            self.reserved -= before.money.reserved.0;
            self.reserved += operation.money.reserved.0;
            *before = operation;
            return;
        }
        self.remove(operation.id);
        match operation.admission {
            Admission::Immediate => {}
            Admission::Queued => drop(self.queued.insert(operation.id)),
            Admission::Dequeued => self.in_background += 1,
        }
        self.reserved += operation.money.reserved.0;
        *self.kinds.entry(operation.kind()).or_default() += 1;
        if let Some(rollout) = operation.rollout() {
            *self.rollouts.entry(rollout).or_default() += 1;
        }
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
        if let Some(rollout) = operation.rollout()
            && let Some(count) = self.rollouts.get_mut(&rollout)
        {
            *count -= 1;
            self.rollouts.retain(|_, count| *count > 0);
        }
        for parent in operation.parents() {
            self.below.remove(&(parent, id));
        }
    }

    pub(crate) fn get(&self, id: OperationId) -> Option<&Operation> {
        self.operations.get(&id)
    }

    /// The operations from a number on, oldest first.
    pub(crate) fn from(&self, id: OperationId) -> impl Iterator<Item = &Operation> {
        self.operations.range(id..).map(|(_, op)| op)
    }

    pub(crate) fn len(&self) -> u64 {
        self.operations.len() as u64
    }

    /// The number of queued operations.
    pub(crate) fn queued_count(&self) -> u64 {
        self.queued.len() as u64
    }

    /// The operation that was queued first.
    pub(crate) fn first_queued(&self) -> Option<OperationId> {
        self.queued.first().copied()
    }

    /// The number of operations that were queued and run in the background.
    pub(crate) fn background_count(&self) -> u64 {
        self.in_background
    }

    /// Cycles that they still have to send.
    pub(crate) fn reserved(&self) -> u128 {
        self.reserved
    }

    /// The number of operations of a kind.
    pub(crate) fn of_kind(&self, kind: OperationKind) -> u64 {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }

    /// The number of operations of a rollout.
    pub(crate) fn of_rollout(&self, rollout: u32) -> u32 {
        self.rollouts.get(&rollout).copied().unwrap_or_default()
    }

    /// An operation whose canister is, or is to be, below a parent.
    pub(crate) fn below(&self, parent: Principal) -> Option<OperationId> {
        let mut below = self.below.range((parent, 0)..=(parent, u64::MAX));
        below.next().map(|(_, id)| *id)
    }
}

/// Whether two states of an operation are in the same sets, and count alike but for their cycles.
fn counts_like(before: &Operation, after: &Operation) -> bool {
    before.admission == after.admission
        && before.kind() == after.kind()
        && before.rollout() == after.rollout()
        && before.parents().eq(after.parents())
}
