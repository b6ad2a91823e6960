//! What a subnet has done.

use serde::{Deserialize, Serialize};

use crate::canister::Canister;

/// What a subnet has done since it exists, as far as its canisters do not know it.
#[derive(Clone, Default, Hash, Serialize, Deserialize)]
pub(crate) struct SubnetCounters {
    /// Messages that all nodes executed.
    pub(crate) messages: u64,
    /// Their instructions, and those of installations and of uploads of chunks.
    pub(crate) instructions: u128,
    /// The cycles that deleted canisters had spent, and those that they held.
    pub(crate) consumed_by_deleted: u128,
}

impl SubnetCounters {
    /// Counts a message that all nodes executed.
    pub(crate) fn add_message(&mut self, instructions: u64) {
        self.messages += 1;
        self.add_instructions(instructions);
    }

    /// Counts instructions that belong to no message.
    pub(crate) fn add_instructions(&mut self, instructions: u64) {
        self.instructions += u128::from(instructions);
    }

    /// Counts a canister that is deleted.
    pub(crate) fn add_deleted(&mut self, canister: &Canister) {
        self.consumed_by_deleted += canister.consumption.total() + canister.balance;
    }
}
