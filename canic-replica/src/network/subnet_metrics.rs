//! The metrics of subnets.

use serde::Serialize;

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

/// The metrics in the form in which they are certified.
#[derive(Serialize)]
struct CertifiedMetrics {
    num_canisters: u64,
    canister_state_bytes: u64,
    consumed_cycles_total: Halves,
    update_transactions_total: u64,
}

/// A number of 128 bits.
#[derive(Serialize)]
struct Halves {
    low: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<u64>,
}

impl SubnetMetrics {
    /// The leaf at `/subnet/<subnet_id>/metrics`: CBOR, with numbers for the names of fields, as in
    /// `dfinity/ic` rs/canonical_state/src/encoding.rs.
    pub(crate) fn leaf(&self) -> Vec<u8> {
        let consumed = self.consumed_cycles_total;
        let high = (consumed >> 64) as u64;
        let metrics = CertifiedMetrics {
            num_canisters: self.num_canisters,
            canister_state_bytes: self.canister_state_bytes,
            consumed_cycles_total: Halves {
                low: consumed as u64,
                high: (high > 0).then_some(high),
            },
            update_transactions_total: self.update_transactions_total,
        };
        serde_cbor::ser::to_vec_packed(&metrics)
            .expect("numbers have an encoding, and a vector takes all that is written")
    }
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
