//! Snapshots: earlier states of a canister, kept by the platform.

use std::{collections::BTreeMap, sync::Arc};

use ic_management_canister_types as management;
use serde::{Deserialize, Serialize};

use crate::{
    canister::{execution_state::ExecutionState, tasks::LowMemory},
    memory::{Heap, Stable},
    stored::shared,
    wasm::global::Global,
};

/// An earlier state of a canister.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) taken_at: u64,
    pub(crate) version: u64,
    pub(crate) program: SnapshotCode,
    pub(crate) stable: Stable,
    pub(crate) certified_data: Vec<u8>,
    /// The global timer. An uploaded snapshot may leave it out.
    pub(crate) timer: Option<management::CanisterTimer>,
    /// The state of the hook for low memory. An uploaded snapshot may leave it out.
    pub(crate) low_memory: Option<LowMemory>,
    /// Whether a canister loaded it: from then on nothing more can be uploaded to it.
    pub(crate) loaded: bool,
    #[serde(with = "shared::map")]
    pub(crate) chunks: BTreeMap<[u8; 32], Arc<Vec<u8>>>,
    pub(crate) bytes: u64,
}

/// The code of a snapshot.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) enum SnapshotCode {
    Taken(ExecutionState),
    Uploaded(Upload),
}

/// Code that a user uploads in slices. It is checked when the snapshot is loaded.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Upload {
    #[serde(with = "shared::value")]
    pub(crate) module: Arc<Vec<u8>>,
    /// The heap as a difference from zeros.
    pub(crate) heap: Heap,
    pub(crate) globals: Vec<Global>,
}
