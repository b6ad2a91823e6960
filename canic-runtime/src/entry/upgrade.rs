//! Upgrades that would lose something: `canister_pre_upgrade` refuses them.

use crate::{
    entry::hooks::lifecycle,
    platform::{
        awaits,
        ic::{self, Level},
    },
    stable::memory,
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
        let (calls, functions) = (awaits::calls(), awaits::functions());
        if !(calls == 0 && functions.is_empty() || ic::is_stopped()) {
            return Err(refusal(calls, operation(), &functions));
        }
        hook()?;
        match memory::find_misuse() {
            Err(misuse) if misuse.is_loss() => Err(format!(
                "{misuse}. The trap takes back what this upgrade wrote. If the hook did it, stop the \
                 canister and upgrade it with skip_pre_upgrade, which leaves the hook out"
            )),
            Err(misuse) => {
                ic::log(Level::Error, format_args!("{misuse}"));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    });
}

/// Says what waits, and what to do.
fn refusal(calls: u32, operation: Option<String>, functions: &[&str]) -> String {
    let mut waiting: Vec<String> = operation.into_iter().collect();
    if calls > 0 {
        waiting.push(format!("canic (calls: {calls})"));
    }
    waiting.extend(functions.iter().map(|name| format!("`{name}`")));
    let waiting = waiting.join(", ");
    format!(
        "answers are awaited by {waiting}; the new code would not know them. \
         Stop the canister before the upgrade: it is stopped once they have come"
    )
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn a_refusal_names_all_that_waits() {
        let operation = Some("operation 7 at its step Install".to_string());
        let text = refusal(2, operation, &["hire", "start"]);
        let waiting = "by operation 7 at its step Install, canic (calls: 2), `hire`, `start`;";
        assert!(text.contains(waiting), "{text}");
        assert!(refusal(0, None, &["hire"]).contains("by `hire`;"));
    }
}
