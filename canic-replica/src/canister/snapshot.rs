//! Snapshots: earlier states of a canister, kept by the platform.

use std::{collections::BTreeMap, sync::Arc};

use ic_management_canister_types as management;

use crate::{
    canister::{execution_state::ExecutionState, tasks::LowMemory},
    memory::{Heap, Stable},
    wasm::global::Global,
};

/// A canister's state, kept for later.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) taken_at: u64,
    pub(crate) version: u64,
    pub(crate) program: SnapshotCode,
    pub(crate) stable: Stable,
    pub(crate) certified_data: Vec<u8>,
    /// When the global timer was to fire; of an uploaded snapshot it may be unknown.
    pub(crate) timer: Option<management::CanisterTimer>,
    /// Where the hook for short memory stood; as for the timer.
    pub(crate) low_memory: Option<LowMemory>,
    pub(crate) chunks: BTreeMap<[u8; 32], Arc<Vec<u8>>>,
    pub(crate) bytes: u64,
}

/// The program of a snapshot.
#[derive(Clone, Hash)]
pub(crate) enum SnapshotCode {
    Taken(ExecutionState),
    Uploaded(Upload),
}

/// A program that comes piece by piece; it need not be a valid one before it is loaded.
#[derive(Clone, Hash)]
pub(crate) struct Upload {
    pub(crate) module: Arc<Vec<u8>>,
    /// The heap as a difference from zeros.
    pub(crate) heap: Heap,
    pub(crate) globals: Vec<Global>,
}
