//! The Candid types of grants: cycles that root gives to canisters of the fleet that run.

use candid::{CandidType, Principal};
use minicbor::{Decode, Encode};
use serde::Deserialize;

pub use crate::error::{GrantError, GrantLimit};
use crate::{api::OperationId, tables::Read};

/// A request for cycles for a member.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct GrantRequest {
    /// The member.
    pub canister: Principal,
    /// Cycles.
    pub cycles: u128,
}

/// The answer to a [`GrantRequest`].
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct Granted {
    /// The operation that granted them.
    pub operation: OperationId,
    /// Cycles that the member got: fewer than it asked for, if it lacks fewer to the level that its
    /// role names.
    pub cycles: u128,
}

/// The reason for which root grants cycles.
#[derive(
    Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq, PartialOrd, Ord, Encode, Decode,
)]
#[cbor(index_only)]
pub enum GrantPurpose {
    /// Root saw that a member has less than its role's `below`.
    #[n(0)]
    Watch,
    /// A member asked, for itself or a child.
    #[n(1)]
    Request,
    /// A controller of root asked.
    #[n(2)]
    Controller,
    /// A member must be able to pay for its upgrade in advance.
    #[n(3)]
    Upgrade,
    /// A canister of the pool has less than half of what it was created with.
    #[n(4)]
    Pool,
}
