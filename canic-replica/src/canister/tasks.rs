//! System tasks: the heartbeat, the global timer, and the hook for low memory.

use serde::{Deserialize, Serialize};

/// The state of the hook `canister_on_low_wasm_memory`, which runs once each time that memory
/// becomes low.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum LowMemory {
    /// Memory is not low.
    Enough,
    Ready,
    Executed,
}

/// The first task of a canister's round: the global timer, the heartbeat and messages take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Rotation {
    Timer,
    Heartbeat,
    Messages,
}

impl Rotation {
    /// The tasks of a round, and the first task of the next round. The arguments say whether the
    /// timer is due, whether the module has a heartbeat, and whether messages wait. A turn without
    /// work is passed over. A round that begins with messages has no tasks.
    pub(crate) fn turn(self, timer: bool, heartbeat: bool, messages: bool) -> (Vec<Task>, Self) {
        let mut next = self;
        for _ in 0..3 {
            let now = next;
            next = match now {
                Self::Timer => Self::Heartbeat,
                Self::Heartbeat => Self::Messages,
                Self::Messages => Self::Timer,
            };
            let tasks = match now {
                Self::Timer if timer => [Some(Task::Timer), heartbeat.then_some(Task::Heartbeat)],
                Self::Heartbeat if heartbeat => {
                    [Some(Task::Heartbeat), timer.then_some(Task::Timer)]
                }
                Self::Messages if messages => [None, None],
                _ => continue,
            };
            return (tasks.into_iter().flatten().collect(), next);
        }
        (Vec::new(), next)
    }
}

/// A task that the system starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Task {
    Heartbeat,
    Timer,
    LowMemory,
}
