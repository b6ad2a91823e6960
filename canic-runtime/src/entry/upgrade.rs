//! Upgrades that would lose something: `canister_pre_upgrade` refuses them.

use crate::{
    entry::hooks::lifecycle,
    platform::{awaits, ic},
    stable::memory::{self, Misuse},
};

/// Runs the author's `pre_upgrade`, unless the canister waits for an answer. `operation` names what
/// root's calls are for. Then refuses if code of the author's has damaged stable memory.
///
/// An answer would reach the new code, which does not know the call. A stopped canister waits for
/// none: all have come before it is stopped.
pub(super) fn pre_upgrade(
    operation: impl FnOnce() -> Option<String>,
    hook: impl FnOnce() -> Result<(), String>,
) {
    lifecycle("pre_upgrade", || {
        let awaited = awaits::awaited();
        if !awaited.is_empty() && !ic::is_stopped() {
            return Err(refusal(operation().into_iter().chain(awaited).collect()));
        }
        hook()?;
        match memory::find_misuse() {
            Ok(()) | Err(Misuse::Grown) => Ok(()),
            Err(misuse) => Err(misuse.advice().to_string()),
        }
    });
}

/// Says what waits, and what to do.
fn refusal(waiting: Vec<String>) -> String {
    format!(
        "answers are awaited by {}; the new code would not know them. \
         Stop the canister before the upgrade: it is stopped once they have come",
        waiting.join(", ")
    )
}
