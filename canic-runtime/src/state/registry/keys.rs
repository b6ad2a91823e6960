//! The index of the members' keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::stable::record_store::RecordId;

/// Who holds the keys of each role. A member's key is in its record. The index has a hash of it
/// only, and whoever looks one up compares the record.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Keys {
    /// Keys of operations that have not made the member yet.
    awaited: BTreeMap<(u16, String), u64>,
    /// The members with a key, by the hash of role and key. Several may have the same hash.
    members: BTreeSet<(u64, RecordId)>,
}

impl Keys {
    /// Keys of which these members' are in no order.
    pub(super) fn new(
        awaited: BTreeMap<(u16, String), u64>,
        members: Vec<(u64, RecordId)>,
    ) -> Self {
        Self {
            awaited,
            members: members.into_iter().collect(),
        }
    }

    /// The number that the index has for a key of a role. Somebody who finds many keys with the
    /// same one has to pay for as many members to make a look-up read as many records.
    pub(super) fn hash(role: u16, key: &str) -> u64 {
        // An odd number with about as many ones as zeros: the golden ratio.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut hash = u64::from(role) << 32 | key.len() as u64;
        for word in key.as_bytes().chunks(8) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            hash = (hash.rotate_left(29) ^ u64::from_le_bytes(bytes)).wrapping_mul(FACTOR);
        }
        hash
    }

    /// The operation that holds a key.
    pub(super) fn operation(&self, role: u16, key: &str) -> Option<u64> {
        if self.awaited.is_empty() {
            return None;
        }
        self.awaited.get(&(role, key.to_string())).copied()
    }

    /// The records of the members that may hold a key in a role: hardly ever more than one.
    pub(super) fn candidates(&self, role: u16, key: &str) -> impl Iterator<Item = RecordId> + '_ {
        let hash = Self::hash(role, key);
        let same = (hash, 0)..=(hash, RecordId::MAX);
        self.members.range(same).map(|(_, record_id)| *record_id)
    }

    /// Gives a key to an operation.
    pub(super) fn give_to_operation(&mut self, role: u16, key: &str, operation: u64) {
        self.awaited.insert((role, key.to_string()), operation);
    }

    /// Gives a key to a member, if need be from the operation that made it.
    pub(super) fn give_to_member(&mut self, role: u16, key: &str, record_id: RecordId) {
        self.forget_operation(role, key);
        self.members.insert((Self::hash(role, key), record_id));
    }

    pub(super) fn forget_operation(&mut self, role: u16, key: &str) {
        if !self.awaited.is_empty() {
            self.awaited.remove(&(role, key.to_string()));
        }
    }

    pub(super) fn forget_member(&mut self, role: u16, key: &str, record_id: RecordId) {
        self.members.remove(&(Self::hash(role, key), record_id));
    }
}
