//! Cycles on their way out of the ledger.

use serde::{Deserialize, Serialize};

use crate::system::{Hash, account::Account};

/// A withdrawal or a creation that waits for its answer.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) enum Job {
    Withdrawal(Withdrawal),
    Creation(Creation),
}

/// Cycles that an account pays before they leave the ledger.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) struct Payment {
    pub(super) from: Account,
    /// A spender other than the account itself.
    pub(super) spender: Option<Account>,
    pub(super) amount: u128,
    pub(super) block: u64,
    /// When the allowance of the spender expires.
    pub(super) expires_at: Option<u64>,
}

/// A withdrawal that waits for its answer.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) struct Withdrawal {
    pub(super) payment: Payment,
    /// Whether the caller used `withdraw_from`.
    pub(super) is_from: bool,
}

/// A creation that waits for its answer.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) struct Creation {
    pub(super) payment: Payment,
    /// The hash of its transaction, under which the canister is remembered.
    pub(super) transaction: Hash,
    /// Whether the caller used `create_canister_from`.
    pub(super) is_from: bool,
}
