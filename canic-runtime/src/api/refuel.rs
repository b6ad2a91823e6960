//! The Candid types of root's own cycles: refuels, and the accounts that pay for them.

use candid::{CandidType, Principal};
use serde::Deserialize;

use crate::{api::OperationId, tables::Read};

pub use crate::error::RefuelError;

/// A source of root's cycles.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub enum FuelSource {
    /// Root's account at the cycles ledger.
    Cycles,
    /// Root's account at the ICP ledger. The cycles minting canister turns ICP into cycles.
    Icp,
}

/// A request of a controller: root refuels now.
#[derive(Clone, Copy, Debug, CandidType, Deserialize, Read, PartialEq, Eq)]
pub struct RefuelRequest {
    /// The source. None: the first one of root's configuration, or else the cycles ledger.
    pub source: Option<FuelSource>,
    /// Cycles at most. None: as many as root lacks to the `to` of its configuration.
    pub cycles: Option<u128>,
}

/// The answer to a [`RefuelRequest`].
#[derive(Clone, Copy, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Refuelled {
    /// The operation that did it.
    pub operation: OperationId,
    /// Cycles that root got.
    pub cycles: u128,
}

/// An account of ICRC-1.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct LedgerAccount {
    /// The owner.
    pub owner: Principal,
    /// The subaccount. None: the owner's default account.
    pub subaccount: Option<Vec<u8>>,
}

/// The accounts from which root refuels: whoever sends cycles or ICP to them pays for the fleet.
#[derive(Clone, Debug, CandidType, Deserialize, PartialEq, Eq)]
pub struct Accounts {
    /// The account at the cycles ledger, `um5iw-rqaaa-aaaaq-qaaba-cai`.
    pub cycles: LedgerAccount,
    /// The account identifier at the ICP ledger, `ryjl3-tyaaa-aaaaa-aaaba-cai`: 64 hexadecimal
    /// digits.
    pub icp: String,
}
