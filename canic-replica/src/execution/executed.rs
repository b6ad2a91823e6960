//! The result of an execution.

use crate::execution::{message::StateChanges, trap::Trap};

/// The result of an execution.
pub(crate) struct Executed {
    pub(crate) outcome: Result<StateChanges, Trap>,
    pub(crate) instructions: u64,
    /// The lines that the message printed. They are kept if it trapped.
    pub(crate) prints: Vec<Vec<u8>>,
}

impl Executed {
    /// The message could not begin.
    pub(crate) fn failed(trap: Trap) -> Self {
        Self {
            outcome: Err(trap),
            instructions: 0,
            prints: Vec::new(),
        }
    }
}
