//! Calls of refuels: to the cycles ledger, the ICP ledger and the cycles minting canister.
//!
//! Calls that pay, and the notification of a payment, use guaranteed responses; those that only
//! read are best-effort calls. The Candid types name the fields that root reads or sets.

use candid::{CandidType, Principal};
use serde_bytes::Bytes;

use crate::{
    operation::{
        call::{Failure, Reply},
        fuel::{Fuel, LedgerCall, Refusal},
        refuel::{CYCLES_MINTING, TOP_UP},
    },
    platform::{
        answers::{best_effort_call, canister_call, decode},
        ic,
    },
    tables::Read,
};

/// The cycles ledger, um5iw-rqaaa-aaaaq-qaaba-cai.
const CYCLES_LEDGER: Principal = Principal::from_slice(&[0, 0, 0, 0, 2, 0x10, 0, 2, 1, 1]);

/// The ICP ledger, ryjl3-tyaaa-aaaaa-aaaba-cai.
const ICP_LEDGER: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 2, 1, 1]);

/// Makes the call of a refuel.
pub(super) async fn perform(call: LedgerCall) -> Result<Reply, Failure> {
    match call {
        LedgerCall::Rate => rate().await,
        LedgerCall::Balance(source) => balance(source).await,
        LedgerCall::Withdraw { cycles, created_at } => withdraw(cycles, created_at).await,
        LedgerCall::Transfer {
            to,
            e8s,
            fee,
            created_at,
        } => {
            let args = TransferArgs {
                memo: TOP_UP,
                amount: Tokens { e8s },
                fee: Tokens { e8s: fee },
                to: Bytes::new(&to),
                created_at_time: Some(TimeStamp {
                    timestamp_nanos: created_at,
                }),
            };
            transfer(&args).await
        }
        LedgerCall::Notify { block } => notify(block).await,
    }
}

/// Cycles for an e8. The rate is told in ten-thousandths of an XDR for an ICP; an XDR is 10^12
/// cycles, and an ICP 10^8 e8s, so the number is the same.
async fn rate() -> Result<Reply, Failure> {
    let reply = best_effort_call(CYCLES_MINTING, "get_icp_xdr_conversion_rate", &()).await?;
    let rate: RateReply = decode(&reply)?;
    Ok(Reply::Amount(rate.data.xdr_permyriad_per_icp.into()))
}

async fn balance(source: Fuel) -> Result<Reply, Failure> {
    let ledger = match source {
        Fuel::Cycles => CYCLES_LEDGER,
        Fuel::Icp => ICP_LEDGER,
    };
    let account = Account { owner: ic::this() };
    let reply = best_effort_call(ledger, "icrc1_balance_of", &account).await?;
    Ok(Reply::Amount(decode(&reply)?))
}

async fn withdraw(cycles: u128, created_at: u64) -> Result<Reply, Failure> {
    let args = WithdrawArgs {
        amount: cycles,
        to: ic::this(),
        created_at_time: Some(created_at),
    };
    let reply = canister_call(CYCLES_LEDGER, "withdraw", &args).await?;
    Ok(match decode::<Result<u128, WithdrawError>>(&reply)? {
        Ok(block) => paid(block),
        Err(WithdrawError::Duplicate { duplicate_of }) => paid(duplicate_of),
        Err(error) => Reply::Refused(error.into()),
    })
}

async fn transfer(args: &TransferArgs<'_>) -> Result<Reply, Failure> {
    let reply = canister_call(ICP_LEDGER, "transfer", args).await?;
    Ok(match decode::<Result<u64, TransferError>>(&reply)? {
        Ok(block)
        | Err(TransferError::TxDuplicate {
            duplicate_of: block,
        }) => Reply::Paid(block),
        Err(error) => Reply::Refused(error.into()),
    })
}

async fn notify(block: u64) -> Result<Reply, Failure> {
    let args = NotifyArgs {
        block_index: block,
        canister_id: ic::this(),
    };
    let reply = canister_call(CYCLES_MINTING, "notify_top_up", &args).await?;
    Ok(match decode::<Result<u128, NotifyError>>(&reply)? {
        Ok(cycles) => Reply::Amount(cycles),
        Err(error) => Reply::Refused(error.into()),
    })
}

fn paid(block: u128) -> Reply {
    Reply::Paid(u64::try_from(block).unwrap_or(u64::MAX))
}

// The ledgers' types

#[derive(CandidType)]
struct Account {
    owner: Principal,
}

#[derive(Read)]
struct RateReply {
    data: Rate,
}

#[derive(Read)]
struct Rate {
    xdr_permyriad_per_icp: u64,
}

#[derive(CandidType)]
struct WithdrawArgs {
    amount: u128,
    to: Principal,
    created_at_time: Option<u64>,
}

#[derive(Read)]
enum WithdrawError {
    GenericError { message: String },
    TemporarilyUnavailable,
    FailedToWithdraw { rejection_reason: String },
    Duplicate { duplicate_of: u128 },
    BadFee { expected_fee: u128 },
    InvalidReceiver { receiver: Principal },
    CreatedInFuture { ledger_time: u64 },
    TooOld,
    InsufficientFunds {},
}

impl From<WithdrawError> for Refusal {
    fn from(error: WithdrawError) -> Self {
        match error {
            WithdrawError::GenericError { message } => Self::Never(message),
            WithdrawError::TemporarilyUnavailable => Self::Later(UNAVAILABLE.to_string()),
            WithdrawError::FailedToWithdraw { rejection_reason } => {
                Self::Refunded(rejection_reason)
            }
            WithdrawError::Duplicate { duplicate_of } => {
                Self::Never(format!("block {duplicate_of} is the same payment"))
            }
            WithdrawError::BadFee { expected_fee } => Self::BadFee(expected_fee),
            WithdrawError::InvalidReceiver { receiver } => {
                Self::Never(format!("{receiver} can't receive cycles"))
            }
            WithdrawError::CreatedInFuture { ledger_time } => {
                Self::Later(format!("by the ledger's clock it is {ledger_time}"))
            }
            WithdrawError::TooOld => Self::TooOld,
            WithdrawError::InsufficientFunds {} => Self::Insufficient,
        }
    }
}

/// The reason of a ledger that gives none.
const UNAVAILABLE: &str = "the ledger is not available for a while";

#[derive(CandidType, Read)]
struct Tokens {
    e8s: u64,
}

#[derive(CandidType)]
struct TimeStamp {
    timestamp_nanos: u64,
}

#[derive(CandidType)]
struct TransferArgs<'a> {
    memo: u64,
    amount: Tokens,
    fee: Tokens,
    to: &'a Bytes,
    created_at_time: Option<TimeStamp>,
}

#[derive(Read)]
enum TransferError {
    BadFee { expected_fee: Tokens },
    InsufficientFunds {},
    TxTooOld {},
    TxCreatedInFuture,
    TxDuplicate { duplicate_of: u64 },
}

impl From<TransferError> for Refusal {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::BadFee { expected_fee } => Self::BadFee(expected_fee.e8s.into()),
            TransferError::InsufficientFunds {} => Self::Insufficient,
            TransferError::TxTooOld {} => Self::TooOld,
            TransferError::TxCreatedInFuture => {
                Self::Later("by the ledger's clock the payment is in the future".to_string())
            }
            TransferError::TxDuplicate { duplicate_of } => {
                Self::Never(format!("block {duplicate_of} is the same payment"))
            }
        }
    }
}

#[derive(CandidType)]
struct NotifyArgs {
    block_index: u64,
    canister_id: Principal,
}

#[derive(Read)]
enum NotifyError {
    Refunded { reason: String },
    InvalidTransaction(String),
    TransactionTooOld(u64),
    Processing,
    Other { error_message: String },
}

impl From<NotifyError> for Refusal {
    fn from(error: NotifyError) -> Self {
        match error {
            NotifyError::Refunded { reason } => Self::Refunded(reason),
            NotifyError::InvalidTransaction(reason) => Self::Never(reason),
            NotifyError::TransactionTooOld(oldest) => Self::Never(format!(
                "the cycles minting canister knows no blocks before {oldest} any more"
            )),
            NotifyError::Processing => {
                Self::Later("the cycles minting canister is processing the payment".to_string())
            }
            NotifyError::Other { error_message } => Self::Later(error_message),
        }
    }
}
