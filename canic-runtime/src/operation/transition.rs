//! The transition: the result of a decision. Also the pause before the next try.

use crate::operation::End;

/// The result of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    /// The call of the operation's step, now.
    Call,
    /// The call of the operation's step, after this many nanoseconds.
    Later(u64),
    /// No call: the operation ended.
    Close(End),
}

/// Tries of one step before root gives it up.
pub(crate) const MAX_ATTEMPTS: u32 = 6;

const SECOND: u64 = 1_000_000_000;

/// The pause before the next try, in nanoseconds: 1, 2, 4, .. seconds, a minute at most.
pub(crate) fn backoff(attempts: u32) -> u64 {
    SECOND * (1 << attempts.min(6)).min(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let seconds: Vec<u64> = (0..8).map(|attempt| backoff(attempt) / SECOND).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
