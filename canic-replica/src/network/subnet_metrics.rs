//! The metrics of subnets.

use crate::{canister::Canister, network::Network};

/// What a subnet has done since it exists, as far as its canisters do not know it.
#[derive(Clone, Default, Hash)]
pub(crate) struct SubnetCounters {
    /// Messages that all nodes executed.
    pub(crate) messages: u64,
    /// Their instructions, and those of installations and of uploads of chunks.
    pub(crate) instructions: u128,
    /// The cycles that deleted canisters had spent, and those that they held.
    pub(crate) consumed_by_deleted: u128,
}

/// The metrics of a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubnetMetrics {
    /// The number of its canisters.
    pub(crate) num_canisters: u64,
    /// The memory of its canisters, in bytes.
    pub(crate) canister_state_bytes: u64,
    /// The cycles that all of its canisters have spent, deleted ones included.
    pub(crate) consumed_cycles_total: u128,
    /// The messages that all nodes executed.
    pub(crate) update_transactions_total: u64,
    /// The instructions of these messages, of installations, and of uploads of chunks.
    pub(crate) instructions: u128,
}

impl Network {
    /// The metrics of a subnet as of now.
    pub(crate) fn metrics_of(&self, subnet: usize) -> SubnetMetrics {
        let counters = &self.subnets[subnet].counters;
        let mut metrics = SubnetMetrics {
            num_canisters: 0,
            canister_state_bytes: 0,
            consumed_cycles_total: counters.consumed_by_deleted,
            update_transactions_total: counters.messages,
            instructions: counters.instructions,
        };
        for canister in self.canisters.values() {
            if canister.subnet == subnet {
                metrics.num_canisters += 1;
                metrics.canister_state_bytes += canister.memory_bytes();
                metrics.consumed_cycles_total += canister.consumption.total();
            }
        }
        metrics
    }

    /// Counts a message that all nodes of a subnet executed.
    pub(crate) fn count_message(&mut self, subnet: usize, instructions: u64) {
        self.subnets[subnet].counters.messages += 1;
        self.count_instructions(subnet, instructions);
    }

    /// Counts instructions that belong to no message of their own.
    pub(crate) fn count_instructions(&mut self, subnet: usize, instructions: u64) {
        self.subnets[subnet].counters.instructions += u128::from(instructions);
    }

    /// Counts a canister that is deleted.
    pub(crate) fn count_deleted(&mut self, canister: &Canister) {
        let consumed = &mut self.subnets[canister.subnet].counters.consumed_by_deleted;
        *consumed += canister.consumption.total() + canister.balance;
    }
}
