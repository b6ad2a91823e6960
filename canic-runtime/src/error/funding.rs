//! The reason why root granted no cycles.

use std::{error::Error, fmt};

use candid::{CandidType, Principal};
use minicbor::{Decode, Encode};
use serde::Deserialize;

use super::{Denied, sentences};
use crate::tables::Read;

/// A limit of grants.
#[derive(
    Clone,
    Copy,
    Debug,
    CandidType,
    Deserialize,
    Read,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
)]
#[cbor(index_only)]
pub enum GrantLimit {
    /// What one member gets in a day: twice its role's `to`.
    #[n(0)]
    Member,
    /// What all members of a role get in a day: its `per_day`.
    #[n(1)]
    Role,
    /// What root grants in a day: its `budget`.
    #[n(2)]
    Budget,
    /// Root's balance, less its reserve and what open operations still have to send.
    #[n(3)]
    Reserve,
}

/// The reason why a canister got no cycles from root.
#[derive(Clone, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum GrantError {
    /// The caller is not allowed to ask for this.
    Denied(Denied),
    /// The canister is not a member.
    NotAMember {
        /// The requested canister.
        canister: Principal,
    },
    /// The member's role has no `fund`, so only a controller may ask.
    NotFunded {
        /// The role.
        role: String,
    },
    /// No grant can be as small or as large.
    InvalidAmount {
        /// The requested cycles.
        cycles: u128,
        /// The smallest grant.
        min: u128,
        /// The largest grant that the limits of a day allow.
        max: u128,
    },
    /// The member has as much as its role's `to`, or nearly.
    Enough {
        /// Its balance, in cycles.
        balance: u128,
    },
    /// The grant would exceed a limit.
    LimitReached {
        /// The limit.
        limit: GrantLimit,
        /// The limit in cycles: of a day, or for the reserve what root can spend now.
        max: u128,
        /// Cycles that are left of it.
        left: u128,
        /// The pause before a retry, in seconds: until midnight in UTC, if the limit is a day's.
        retry_after: u64,
    },
    /// Root has too many open grants.
    Busy {
        /// Open grants.
        open: u32,
        /// The pause before a retry, in seconds.
        retry_after: u64,
    },
    /// Another operation works on the member, or this request's own operation goes on.
    Pending {
        /// The operation; `canic_operation` tells its outcome.
        operation: u64,
    },
    /// The member got nothing.
    Failed {
        /// The operation.
        operation: u64,
        /// The reason.
        reason: String,
    },
    /// Root did not answer a member's call.
    RootUnreachable {
        /// The reason.
        reason: String,
    },
}

impl GrantError {
    /// Whether a retry is safe and may succeed though nobody changes anything first.
    #[must_use]
    pub fn retry(&self) -> bool {
        matches!(
            self,
            Self::LimitReached { .. } | Self::Busy { .. } | Self::Failed { .. }
        )
    }
}

impl Error for GrantError {}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::NotAMember { canister } => write!(f, "{canister} is not a member"),
            Self::NotFunded { role } => write!(
                f,
                "role '{role}' has no `fund(..)`, so only controllers of root may grant it cycles"
            ),
            Self::InvalidAmount { cycles, min, max } => write!(
                f,
                "a grant has from {min} to {max} cycles here, and this one {cycles}"
            ),
            Self::Enough { balance } => write!(
                f,
                "it holds {balance} cycles, as much as its role's `to`, or nearly"
            ),
            Self::LimitReached {
                limit,
                max,
                left,
                retry_after,
            } => {
                let limit = match limit {
                    GrantLimit::Member => "one member's limit a day",
                    GrantLimit::Role => "its role's limit a day",
                    GrantLimit::Budget => "the budget of a day",
                    GrantLimit::Reserve => "what root can spend without going below its reserve",
                };
                write!(
                    f,
                    "{limit} is {max} cycles, of which {left} are left: ask again in {retry_after} \
                     seconds"
                )
            }
            Self::Busy { open, retry_after } => sentences::busy(f, *open, *retry_after),
            Self::Pending { operation } => sentences::pending(f, *operation),
            Self::Failed { operation, reason } => {
                write!(
                    f,
                    "the member got nothing (operation {operation}): {reason}"
                )
            }
            Self::RootUnreachable { reason } => sentences::unreachable(f, reason),
        }
    }
}
