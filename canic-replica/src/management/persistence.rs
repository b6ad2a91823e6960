//! Enhanced orthogonal persistence: what becomes of the heap at an upgrade.
//!
//! The rules and their order are those of `determine_main_memory_handling` in `dfinity/ic`
//! rs/execution_environment/src/execution/upgrade.rs.

use ic_management_canister_types as types;

use crate::{
    canister::execution_state::ExecutionState,
    execution::programs::Program,
    reject::{Reject, contract},
    wasm::Module,
};

/// The metadata of a module that counts on its heap after an upgrade. It may be public or private.
const SECTION: &str = "enhanced-orthogonal-persistence";

/// Whether this is an upgrade that keeps the heap.
pub(crate) fn keeps_heap(mode: types::CanisterInstallMode) -> bool {
    persistence(mode) == Some(types::WasmMemoryPersistence::Keep)
}

/// Checks that an upgrade says what becomes of the heap, if the old code counts on it.
pub(crate) fn check_is_given(
    mode: types::CanisterInstallMode,
    old: Option<&ExecutionState>,
) -> Result<(), Reject> {
    let is_upgrade = matches!(mode, types::CanisterInstallMode::Upgrade(_));
    let counts_on_it = old.is_some_and(|code| code.module.metadata.contains_key(SECTION));
    if is_upgrade && counts_on_it && persistence(mode).is_none() {
        return Err(contract(
            "Missing upgrade option: Enhanced orthogonal persistence requires the \
             `wasm_memory_persistence` upgrade option.",
        ));
    }
    Ok(())
}

/// Checks that an upgrade keeps the heap only if the new code counts on it.
pub(crate) fn check_can_keep_heap(
    mode: types::CanisterInstallMode,
    new: &Module,
) -> Result<(), Reject> {
    if keeps_heap(mode) && !new.metadata.contains_key(SECTION) {
        return Err(contract(
            "Invalid upgrade option: The `wasm_memory_persistence: opt Keep` upgrade option \
             requires that the new canister module supports enhanced orthogonal persistence.",
        ));
    }
    Ok(())
}

/// Checks that the new code's memory holds `pages` WebAssembly pages.
pub(crate) fn check_fits(program: &Program, pages: u64) -> Result<(), Reject> {
    if program.holds(pages) {
        return Ok(());
    }
    Err(contract(format!(
        "Invalid upgrade option: The memory of the new canister module does not hold the {pages} \
         pages that `wasm_memory_persistence: opt Keep` keeps."
    )))
}

fn persistence(mode: types::CanisterInstallMode) -> Option<types::WasmMemoryPersistence> {
    match mode {
        types::CanisterInstallMode::Upgrade(flags) => flags?.wasm_memory_persistence,
        _ => None,
    }
}
