//! The types of ICRC-1 and ICRC-2 in Candid, and the reasons for which a ledger refuses.

use candid::{CandidType, Deserialize, Int, Nat, Principal};
use serde_bytes::ByteBuf;

use crate::system::account::{Account, Subaccount};

/// How far ahead of the ledger's clock a transaction may have been created, in nanoseconds.
pub(super) const PERMITTED_DRIFT: u64 = 60_000_000_000;
/// How long a ledger remembers transactions, in nanoseconds.
pub(super) const WINDOW: u64 = 24 * 3600 * 1_000_000_000;
/// The longest memo, in bytes.
pub(super) const MAX_MEMO: usize = 32;

#[derive(CandidType, Deserialize)]
pub(super) struct TransferArg {
    pub(super) from_subaccount: Option<Subaccount>,
    pub(super) to: Account,
    pub(super) amount: Nat,
    pub(super) fee: Option<Nat>,
    pub(super) memo: Option<ByteBuf>,
    pub(super) created_at_time: Option<u64>,
}

#[derive(CandidType, Deserialize)]
pub(super) struct TransferFromArgs {
    pub(super) spender_subaccount: Option<Subaccount>,
    pub(super) from: Account,
    pub(super) to: Account,
    pub(super) amount: Nat,
    pub(super) fee: Option<Nat>,
    pub(super) memo: Option<ByteBuf>,
    pub(super) created_at_time: Option<u64>,
}

#[derive(CandidType, Deserialize)]
pub(super) struct ApproveArgs {
    pub(super) from_subaccount: Option<Subaccount>,
    pub(super) spender: Account,
    pub(super) amount: Nat,
    pub(super) expected_allowance: Option<Nat>,
    pub(super) expires_at: Option<u64>,
    pub(super) fee: Option<Nat>,
    pub(super) memo: Option<ByteBuf>,
    pub(super) created_at_time: Option<u64>,
}

#[derive(CandidType, Deserialize)]
pub(super) struct AllowanceArgs {
    pub(super) account: Account,
    pub(super) spender: Account,
}

#[derive(CandidType, Deserialize)]
pub(super) struct AllowanceReply {
    pub(super) allowance: Nat,
    pub(super) expires_at: Option<u64>,
}

#[derive(CandidType, Deserialize)]
pub(super) enum TransferError {
    BadFee { expected_fee: Nat },
    BadBurn { min_burn_amount: Nat },
    InsufficientFunds { balance: Nat },
    TooOld,
    CreatedInFuture { ledger_time: u64 },
    TemporarilyUnavailable,
    Duplicate { duplicate_of: Nat },
    GenericError { error_code: Nat, message: String },
}

#[derive(CandidType, Deserialize)]
pub(super) enum TransferFromError {
    BadFee { expected_fee: Nat },
    BadBurn { min_burn_amount: Nat },
    InsufficientFunds { balance: Nat },
    InsufficientAllowance { allowance: Nat },
    TooOld,
    CreatedInFuture { ledger_time: u64 },
    Duplicate { duplicate_of: Nat },
    TemporarilyUnavailable,
    GenericError { error_code: Nat, message: String },
}

#[derive(CandidType, Deserialize)]
pub(super) enum ApproveError {
    BadFee { expected_fee: Nat },
    InsufficientFunds { balance: Nat },
    AllowanceChanged { current_allowance: Nat },
    Expired { ledger_time: u64 },
    TooOld,
    CreatedInFuture { ledger_time: u64 },
    Duplicate { duplicate_of: Nat },
    TemporarilyUnavailable,
    GenericError { error_code: Nat, message: String },
}

/// A value of the metadata.
#[derive(CandidType, Deserialize)]
#[allow(dead_code)]
pub(super) enum MetadataValue {
    Nat(Nat),
    Int(Int),
    Text(String),
    Blob(ByteBuf),
}

impl MetadataValue {
    pub(super) fn nat(key: &str, value: impl Into<Nat>) -> (String, Self) {
        (key.into(), Self::Nat(value.into()))
    }

    pub(super) fn text(key: &str, value: &str) -> (String, Self) {
        (key.into(), Self::Text(value.into()))
    }
}

#[derive(CandidType, Deserialize)]
pub(super) struct Standard {
    name: String,
    url: String,
}

impl Standard {
    pub(super) fn new(name: &str, url: &str) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
        }
    }
}

/// The reason for which a ledger refuses a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The fee that it expects.
    BadFee(u128),
    /// The least amount to burn.
    BadBurn(u128),
    /// The balance.
    InsufficientFunds(u128),
    /// The allowance.
    InsufficientAllowance(u128),
    /// The current allowance.
    AllowanceChanged(u128),
    /// The approval would have expired at this time.
    Expired(u64),
    TooOld,
    /// The ledger's time.
    CreatedInFuture(u64),
    /// The block of the same transaction, and the canister that it created.
    Duplicate(u64, Option<Principal>),
    /// A code and a text.
    Generic(u64, String),
}

impl Refusal {
    /// Why a transaction that was created at this time is refused.
    pub(super) fn of_time(created_at: u64, oldest: u64, now: u64) -> Result<(), Self> {
        if created_at < oldest {
            return Err(Self::TooOld);
        }
        if created_at > now.saturating_add(PERMITTED_DRIFT) {
            return Err(Self::CreatedInFuture(now));
        }
        Ok(())
    }

    /// # Errors
    /// The message of a trap: no transfer is refused like this.
    pub(super) fn of_transfer(self) -> Result<TransferError, String> {
        use TransferError as E;
        Ok(match self {
            Self::BadFee(fee) => E::BadFee {
                expected_fee: fee.into(),
            },
            Self::BadBurn(least) => E::BadBurn {
                min_burn_amount: least.into(),
            },
            Self::InsufficientFunds(balance) => E::InsufficientFunds {
                balance: balance.into(),
            },
            Self::TooOld => E::TooOld,
            Self::CreatedInFuture(ledger_time) => E::CreatedInFuture { ledger_time },
            Self::Duplicate(block, _) => E::Duplicate {
                duplicate_of: block.into(),
            },
            Self::Generic(code, message) => E::GenericError {
                error_code: code.into(),
                message,
            },
            other => return Err(format!("{other:?} should not happen for a transfer")),
        })
    }

    /// # Errors
    /// As for [`Self::of_transfer`].
    pub(super) fn of_transfer_from(self) -> Result<TransferFromError, String> {
        use TransferFromError as E;
        Ok(match self {
            Self::InsufficientAllowance(allowance) => E::InsufficientAllowance {
                allowance: allowance.into(),
            },
            other => match other.of_transfer()? {
                TransferError::BadFee { expected_fee } => E::BadFee { expected_fee },
                TransferError::BadBurn { min_burn_amount } => E::BadBurn { min_burn_amount },
                TransferError::InsufficientFunds { balance } => E::InsufficientFunds { balance },
                TransferError::TooOld => E::TooOld,
                TransferError::CreatedInFuture { ledger_time } => {
                    E::CreatedInFuture { ledger_time }
                }
                TransferError::TemporarilyUnavailable => E::TemporarilyUnavailable,
                TransferError::Duplicate { duplicate_of } => E::Duplicate { duplicate_of },
                TransferError::GenericError {
                    error_code,
                    message,
                } => E::GenericError {
                    error_code,
                    message,
                },
            },
        })
    }

    /// # Errors
    /// As for [`Self::of_transfer`].
    pub(super) fn of_approval(self) -> Result<ApproveError, String> {
        use ApproveError as E;
        Ok(match self {
            Self::BadFee(fee) => E::BadFee {
                expected_fee: fee.into(),
            },
            Self::InsufficientFunds(balance) => E::InsufficientFunds {
                balance: balance.into(),
            },
            Self::AllowanceChanged(current) => E::AllowanceChanged {
                current_allowance: current.into(),
            },
            Self::Expired(ledger_time) => E::Expired { ledger_time },
            Self::TooOld => E::TooOld,
            Self::CreatedInFuture(ledger_time) => E::CreatedInFuture { ledger_time },
            Self::Duplicate(block, _) => E::Duplicate {
                duplicate_of: block.into(),
            },
            Self::Generic(code, message) => E::GenericError {
                error_code: code.into(),
                message,
            },
            other => return Err(format!("{other:?} should not happen for an approval")),
        })
    }
}

/// A number that fits into 128 bits.
pub(super) fn small(number: &Nat) -> Option<u128> {
    u128::try_from(&number.0).ok()
}
