//! The cycles that a canister has spent since its creation, by purpose.

use serde::{Deserialize, Serialize};

/// What cycles are spent for. The purposes are those of the management canister's
/// `canister_metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Storage as time passes.
    Memory,
    /// Compute allocation as time passes.
    ComputeAllocation,
    /// Reception of ingress messages.
    Ingress,
    /// Execution of messages, compilation of modules, and work of the management canister.
    Instructions,
    /// Transmission of calls and of their answers.
    Transmission,
    /// What was left when the platform uninstalled the canister, because it was out of cycles.
    Uninstall,
    /// Its own creation.
    Creation,
    /// Its HTTP outcalls.
    Outcalls,
    /// Its threshold signatures and derived keys.
    Signatures,
    /// Cycles that it burnt on purpose.
    Burned,
}

/// Sums of cycles, one for each [`Purpose`].
#[derive(Clone, Default, Hash, Serialize, Deserialize)]
pub(crate) struct Consumption([u128; Purpose::Burned as usize + 1]);

impl Consumption {
    pub(crate) fn add(&mut self, purpose: Purpose, cycles: u128) {
        let sum = &mut self.0[purpose as usize];
        *sum = sum.saturating_add(cycles);
    }

    pub(crate) fn of(&self, purpose: Purpose) -> u128 {
        self.0[purpose as usize]
    }

    /// The cycles of all purposes.
    pub(crate) fn total(&self) -> u128 {
        self.0
            .iter()
            .fold(0, |sum, cycles| sum.saturating_add(*cycles))
    }
}
