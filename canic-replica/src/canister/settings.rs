//! The settings of a canister, which its controllers decide on.

use std::collections::BTreeMap;

use candid::Principal;
use ic_management_canister_types as management;
use serde::{Deserialize, Serialize};

use crate::prices::{Prices, Resources, SECONDS_PER_DAY};

/// The default limit of a log, in bytes.
const LOG_BYTES: usize = 4096;

/// Both types are the same in Candid.
pub(crate) type StatusVisibility = management::LogVisibility;

/// The settings of a canister.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) controllers: Vec<Principal>,
    /// Percent of a core.
    pub(crate) compute_allocation: u64,
    /// Bytes; 0 is best effort.
    pub(crate) memory_allocation: u64,
    /// Seconds of idle burn below which the canister freezes.
    pub(crate) freezing_threshold: u64,
    /// Cycles.
    pub(crate) reserved_cycles_limit: u128,
    pub(crate) log_visibility: management::LogVisibility,
    pub(crate) snapshot_visibility: management::SnapshotVisibility,
    pub(crate) status_visibility: StatusVisibility,
    /// The least cycles of a call by another canister.
    pub(crate) minimum_incoming_call_cycles: u128,
    /// The limit of the log, in bytes.
    pub(crate) log_memory_limit: u64,
    /// Bytes; 0 is no limit.
    pub(crate) wasm_memory_limit: u64,
    /// Free bytes below which `canister_on_low_wasm_memory` runs.
    pub(crate) wasm_memory_threshold: u64,
    pub(crate) environment_variables: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            controllers: Vec::new(),
            compute_allocation: 0,
            memory_allocation: 0,
            freezing_threshold: 30 * 24 * 3600,
            reserved_cycles_limit: 5_000_000_000_000,
            log_visibility: management::LogVisibility::default(),
            snapshot_visibility: management::SnapshotVisibility::default(),
            status_visibility: StatusVisibility::default(),
            minimum_incoming_call_cycles: 0,
            log_memory_limit: LOG_BYTES as u64,
            wasm_memory_limit: 3 << 30,
            wasm_memory_threshold: 0,
            environment_variables: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The resources of a canister with `memory` bytes of memory and `messages` bytes of messages.
    pub(crate) fn resources(&self, memory: u64, messages: u64) -> Resources {
        Resources {
            memory: memory.max(self.memory_allocation),
            messages,
            compute: self.compute_allocation,
        }
    }

    /// The balance below which a canister with these resources freezes, in cycles.
    pub(crate) fn freezing_limit(&self, prices: &Prices, resources: &Resources) -> u128 {
        let per_day = prices.idle_burn(resources).total();
        per_day.saturating_mul(self.freezing_threshold.into()) / SECONDS_PER_DAY
    }
}
