//! The installed code of a canister with its heap and globals.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    memory::{Heap, WASM_PAGE},
    stored::shared,
    system::native::Native,
    wasm::{Module, global::Global, known_modules},
};

/// The installed module, with the heap and the globals as the last message left them.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct ExecutionState {
    #[serde(with = "known_modules")]
    pub(crate) module: Arc<Module>,
    pub(crate) heap: Heap,
    /// The values of all mutable globals, in the module's order.
    pub(crate) globals: Vec<Global>,
    /// The native code that runs in place of the module, with its state.
    #[serde(with = "shared::option")]
    pub(crate) native: Option<Arc<Native>>,
}

impl ExecutionState {
    /// The state before the first message.
    pub(crate) fn fresh(module: Arc<Module>) -> Self {
        Self {
            heap: Heap::fresh(module.initial_size),
            globals: module.initial_globals.clone(),
            native: None,
            module,
        }
    }

    /// The size of the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> u64 {
        self.heap.size * WASM_PAGE
    }
}
