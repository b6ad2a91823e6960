//! The metrics of subnets.

use crate::network::Network;

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
}
