//! The settings of a canister, which its controllers decide on.

use std::collections::BTreeMap;

use candid::Principal;
use ic_management_canister_types as management;

use crate::prices::Prices;

/// The default limit of a log, in bytes.
const LOG_BYTES: usize = 4096;

/// Both types are the same in Candid.
pub(crate) type StatusVisibility = management::LogVisibility;

/// The settings of a canister.
#[derive(Clone, Hash)]
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
    /// The balance below which a canister freezes if its memory has `bytes` bytes, in cycles.
    pub(crate) fn freezing_limit(&self, prices: &Prices, bytes: u64) -> u128 {
        const DAY: u64 = 24 * 3600;
        let bytes = bytes.max(self.memory_allocation);
        let per_day = prices.resources(bytes, self.compute_allocation, DAY * 1_000_000_000);
        per_day.saturating_mul(self.freezing_threshold.into()) / u128::from(DAY)
    }
}
