//! Notifications of payments: what they ask for, what became of them, and the answers.

use candid::{CandidType, Deserialize, Nat, Principal};
use serde::Serialize;

use crate::{
    stored::in_candid,
    system::{
        CYCLES_MINTING,
        account::{Account, AccountId, Subaccount, subaccount_of},
        creation::CmcArgs,
        icp_ledger::blocks::{Operation, QueryBlocksResponse},
        message::{Effects, decode},
    },
};

/// The memos of the three kinds of payments: `CREA`, `TPUP`, `MINT`.
const MEMOS: [u64; 3] = [0x4145_5243, 0x5055_5054, 0x544e_494d];
/// Codes of [`NotifyError::Other`].
pub(super) const FAILED_TO_FETCH_BLOCK: u64 = 2;
pub(super) const REFUND_FAILED: u64 = 3;
pub(super) const BAD_SUBNET_SELECTION: u64 = 4;
pub(super) const UNAUTHORIZED: u64 = 5;
pub(super) const MEMO_TOO_LONG: u64 = 6;

#[derive(CandidType, Deserialize, Clone, Hash, Serialize)]
pub(super) enum NotifyError {
    Refunded {
        reason: String,
        block_index: Option<u64>,
    },
    InvalidTransaction(String),
    TransactionTooOld(u64),
    Processing,
    Other {
        error_code: u64,
        error_message: String,
    },
}

impl NotifyError {
    pub(super) fn other(error_code: u64, error_message: impl Into<String>) -> Self {
        Self::Other {
            error_code,
            error_message: error_message.into(),
        }
    }
}

#[derive(CandidType, Deserialize, Clone, Hash)]
pub(super) struct MintSuccess {
    pub(super) block_index: Nat,
    pub(super) minted: Nat,
    pub(super) balance: Nat,
}

/// What a payment is for.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) enum Purpose {
    TopUp {
        canister: Principal,
    },
    Create {
        controller: Principal,
        #[serde(with = "in_candid")]
        args: Box<CmcArgs>,
    },
    Mint {
        to: Account,
        memo: Option<Vec<u8>>,
    },
}

/// The success of a notification.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) enum Success {
    TopUp(u128),
    Create(Principal),
    Mint(#[serde(with = "in_candid")] MintSuccess),
}

pub(super) type Outcome = Result<Success, NotifyError>;

/// What became of a block.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) enum Status {
    Processing,
    /// The payment was processed, for the purpose with this memo.
    Notified(u64, Outcome),
    /// The payment had none of the memos: it was refunded in this block.
    NotMeaningful(Option<u64>),
}

/// A notification.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) struct Notification {
    pub(super) block: u64,
    pub(super) purpose: Purpose,
}

/// A transfer of ICP to the canister.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(super) struct Payment {
    pub(super) from: AccountId,
    /// In e8s.
    pub(super) amount: u64,
}

/// What a block is, seen from a notification.
pub(super) enum Found {
    /// The payment that was announced.
    Payment(Payment),
    /// A payment with another memo than the three.
    NotMeaningful(Payment, String),
}

impl Purpose {
    pub(super) fn memo(&self) -> u64 {
        match self {
            Self::Create { .. } => MEMOS[0],
            Self::TopUp { .. } => MEMOS[1],
            Self::Mint { .. } => MEMOS[2],
        }
    }
}

impl Notification {
    /// The canister's subaccount that the payment goes to.
    pub(super) fn subaccount(&self) -> Subaccount {
        subaccount_of(match &self.purpose {
            Purpose::TopUp { canister } => canister,
            Purpose::Create { controller, .. } => controller,
            Purpose::Mint { to, .. } => &to.owner,
        })
    }

    /// Looks at the block that the ledger answered.
    pub(super) fn look(&self, reply: &[u8]) -> Result<Found, NotifyError> {
        let failed = |error| NotifyError::other(FAILED_TO_FETCH_BLOCK, error);
        let invalid = |why: String| Err(NotifyError::InvalidTransaction(why));
        let (answer,) = decode::<(QueryBlocksResponse,)>(reply).map_err(failed)?;
        let Some(block) = answer.blocks.into_iter().next() else {
            return invalid(format!("Block {} not found", self.block));
        };
        let transaction = block.transaction;
        let Some(Operation::Transfer {
            from, to, amount, ..
        }) = transaction.operation
        else {
            return invalid("Notification transaction must be of type Transfer".into());
        };
        let subaccount = self.subaccount();
        if to != AccountId::new(CYCLES_MINTING, Some(subaccount)) {
            return invalid(format!(
                "Destination account in the block ({to}) different than in the notification ({})",
                hex::encode(subaccount)
            ));
        }
        let memo = match (transaction.memo, transaction.icrc1_memo) {
            (0, Some(memo)) => memo.as_slice().try_into().map_or(0, u64::from_le_bytes),
            (memo, _) => memo,
        };
        let payment = Payment {
            from,
            amount: amount.e8s,
        };
        if !MEMOS.contains(&memo) {
            let why = format!(
                "Memo ({memo:#08X}) in the incoming ICP transfer does not correspond to any of the \
                 operations that the Cycles Minting canister offers."
            );
            return Ok(Found::NotMeaningful(payment, why));
        }
        let expected = self.purpose.memo();
        if memo != expected {
            return invalid(format!(
                "The memo ({} ({memo})) in the transaction does not match the expected memo \
                 ({} ({expected})) for the operation.",
                intent(memo),
                intent(expected)
            ));
        }
        Ok(Found::Payment(payment))
    }

    /// The answer to the caller.
    pub(super) fn answer(&self, outcome: Outcome) -> Result<Effects, String> {
        match (&self.purpose, outcome) {
            (Purpose::TopUp { .. }, Err(error)) => Effects::reply((Err::<Nat, _>(error),)),
            (Purpose::Create { .. }, Err(error)) => Effects::reply((Err::<Principal, _>(error),)),
            (Purpose::Mint { .. }, Err(error)) => Effects::reply((Err::<MintSuccess, _>(error),)),
            (_, Ok(Success::TopUp(cycles))) => {
                Effects::reply((Ok::<_, NotifyError>(Nat::from(cycles)),))
            }
            (_, Ok(Success::Create(canister))) => Effects::reply((Ok::<_, NotifyError>(canister),)),
            (_, Ok(Success::Mint(success))) => Effects::reply((Ok::<_, NotifyError>(success),)),
        }
    }
}

/// What the canister calls a memo.
pub(super) fn intent(memo: u64) -> &'static str {
    match memo {
        memo if memo == MEMOS[0] => "CreateCanister",
        memo if memo == MEMOS[1] => "TopUp",
        memo if memo == MEMOS[2] => "MintCycles",
        _ => "unrecognized",
    }
}
