//! Rejects: the answers to failed messages.

use candid::Principal;
use serde::{Deserialize, Serialize};

/// Reject codes of the interface specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum RejectCode {
    /// Fatal system error, retry unlikely to be useful.
    SysFatal = 1,
    /// Transient system error, retry might be possible.
    SysTransient = 2,
    /// Invalid destination.
    DestinationInvalid = 3,
    /// Explicit reject by the canister.
    CanisterReject = 4,
    /// The canister failed.
    CanisterError = 5,
    /// The outcome of a best-effort call is unknown.
    SysUnknown = 6,
}

impl RejectCode {
    /// The code of this number, 1 to 6.
    pub fn from_number(number: u64) -> Option<Self> {
        [
            Self::SysFatal,
            Self::SysTransient,
            Self::DestinationInvalid,
            Self::CanisterReject,
            Self::CanisterError,
            Self::SysUnknown,
        ]
        .into_iter()
        .find(|code| *code as u64 == number)
    }
}

/// The reject of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reject {
    /// The class of the error.
    pub code: RejectCode,
    /// Human-readable text.
    pub message: String,
    /// The platform's finer code, `IC0xxx`.
    pub error_code: String,
    /// Whether the answer came out of replicated execution.
    pub certified: bool,
}

impl Reject {
    /// A best-effort call was not answered in time.
    pub(crate) fn expired() -> Self {
        Self::new(RejectCode::SysUnknown, 601, "Call deadline has expired.")
    }

    /// A reject from replicated execution.
    pub(crate) fn new(code: RejectCode, error_code: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            error_code: format!("IC{error_code:04}"),
            certified: true,
        }
    }

    /// A reject for canisters only, without a finer code.
    pub(crate) fn bare(code: RejectCode, message: impl Into<String>) -> Self {
        Self {
            error_code: String::new(),
            ..Self::new(code, 0, message)
        }
    }

    /// The text for a calling canister: the platform puts its finer code before its own texts.
    pub(crate) fn text(&self) -> String {
        match self.error_code.as_str() {
            "" | "IC0406" => self.message.clone(),
            code => format!("{code}: {}", self.message),
        }
    }
}

pub(crate) fn not_found(id: Principal) -> Reject {
    Reject::new(
        RejectCode::DestinationInvalid,
        301,
        format!("Canister {id} not found"),
    )
}

/// The same reject, from a single node.
pub(crate) fn uncertified(reject: Reject) -> Reject {
    Reject {
        certified: false,
        ..reject
    }
}

/// The reject for an argument that cannot be used.
pub(crate) fn invalid(why: impl Into<String>) -> Reject {
    Reject::new(RejectCode::CanisterReject, 408, why)
}

/// The reject for a value that breaks the platform's rules.
pub(crate) fn contract(why: impl Into<String>) -> Reject {
    Reject::new(RejectCode::CanisterError, 504, why)
}

/// The reject for a call that this caller may not make, or not in this form.
pub(crate) fn refused(why: impl Into<String>) -> Reject {
    Reject::new(RejectCode::CanisterReject, 406, why)
}

/// The reject for a request of more resources than a subnet has left.
pub(crate) fn oversubscribed(why: impl Into<String>) -> Reject {
    Reject::new(RejectCode::SysFatal, 101, why)
}

/// The reject for calls to canisters that belong to no subnet. The platform gives it no finer code
/// (`dfinity/ic`, `rs/messaging/src/routing/stream_builder.rs`).
pub(crate) fn no_route(canister: Principal) -> Reject {
    let why = format!("No route to canister {canister}");
    Reject::bare(RejectCode::DestinationInvalid, why)
}
