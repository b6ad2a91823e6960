//! What a call that failed tells.

use std::fmt;

use candid::Principal;
use canic_replica::Reject;

/// A call that did not answer what was asked for. It is displayed, also by `unwrap`, as a sentence
/// that names method, canister and reason.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    /// The callee.
    pub canister: Principal,
    /// The method.
    pub method: String,
    /// The reason.
    pub reason: Reason,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The platform or the canister rejected the call. The reject has the text of a trap or panic.
    Rejected(Reject),
    /// The endpoint answered an `Err` with this content. The caller asked for what is in its `Ok`.
    Refused(String),
    /// The answer is of another type than the caller asked for.
    OtherType {
        /// The answer, in Candid's textual form.
        answer: String,
        /// What the decoder says.
        why: String,
    },
    /// The argument can't be encoded: what the encoder says.
    Argument(String),
    /// There is no answer, however long the fleet runs.
    Unanswered,
}

impl Error {
    /// The error of a call of this method, for a reason.
    pub(crate) fn of(canister: Principal, method: &str) -> impl Fn(Reason) -> Self {
        move |reason| Self {
            canister,
            method: method.to_string(),
            reason,
        }
    }

    /// What the canister said: the text of its reject, or of its `Err`. Empty if it said nothing.
    #[must_use]
    pub fn said(&self) -> &str {
        match &self.reason {
            Reason::Rejected(reject) => &reject.message,
            Reason::Refused(text) => text,
            _ => "",
        }
    }

    /// The reject, if the call was rejected.
    #[must_use]
    pub fn reject(&self) -> Option<&Reject> {
        match &self.reason {
            Reason::Rejected(reject) => Some(reject),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of {} ", self.method, self.canister)?;
        match &self.reason {
            Reason::Rejected(reject) => {
                let code = &reject.error_code;
                write!(
                    f,
                    "was rejected ({:?}, {code}): {}",
                    reject.code, reject.message
                )
            }
            Reason::Refused(text) => write!(f, "answered an error: {text}"),
            Reason::OtherType { answer, why } => {
                write!(f, "answered another type: {answer}: {why}")
            }
            Reason::Argument(why) => write!(f, "has an argument that can't be encoded: {why}"),
            Reason::Unanswered => f.write_str("was never answered"),
        }
    }
}

/// As it is displayed, since `unwrap` prints this.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
