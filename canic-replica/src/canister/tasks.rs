//! System tasks: what the platform makes a canister do on its own.

/// Whether `canister_on_low_wasm_memory` has to run: once each time that memory becomes short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LowMemory {
    /// There is enough.
    Enough,
    Ready,
    Executed,
}

/// What a canister's round begins with: the global timer, the heartbeat and messages take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rotation {
    Timer,
    Heartbeat,
    Messages,
}

impl Rotation {
    /// The tasks of a round, and what the next one begins with, if the timer is due, there is a heartbeat, messages wait.
    /// What is not there is passed over. A round that begins with messages has no tasks at all.
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

/// What the system makes a canister do on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    Heartbeat,
    Timer,
    LowMemory,
}
