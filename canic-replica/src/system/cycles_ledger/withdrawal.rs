//! Withdrawals: cycles leave the ledger for a canister. The account pays first, the management
//! canister then deposits the cycles, and a failure refunds them less the fee of the refund.

use candid::{CandidType, Deserialize, Nat, Principal};

use crate::{
    reject::RejectCode,
    system::{
        account::{Account, Subaccount},
        cycles_ledger::{
            CyclesLedger, FEE,
            payment::{Job, Payment, Withdrawal},
            transaction::{Operation, Transaction},
            transfer::{Outcome, accepted},
        },
        icrc::{MAX_MEMO, Refusal, small},
        message::{Effects, Env},
    },
};

const NOTHING_TO_WITHDRAW: u64 = 100_002;
/// The memo of the blocks that refund a withdrawal or an approval.
const PENALTY: [u8; MAX_MEMO] = [u8::MAX; MAX_MEMO];

#[derive(CandidType, Deserialize)]
pub(super) struct WithdrawArgs {
    pub(super) amount: Nat,
    pub(super) from_subaccount: Option<Subaccount>,
    pub(super) to: Principal,
    pub(super) created_at_time: Option<u64>,
}

#[derive(CandidType, Deserialize)]
pub(super) struct WithdrawFromArgs {
    pub(super) spender_subaccount: Option<Subaccount>,
    pub(super) from: Account,
    pub(super) to: Principal,
    pub(super) amount: Nat,
    pub(super) created_at_time: Option<u64>,
}

#[derive(CandidType, Deserialize)]
#[allow(dead_code)]
pub(super) enum RejectionCode {
    NoError,
    CanisterError,
    SysTransient,
    DestinationInvalid,
    Unknown,
    SysFatal,
    CanisterReject,
}

impl From<RejectCode> for RejectionCode {
    fn from(code: RejectCode) -> Self {
        match code {
            RejectCode::SysFatal => Self::SysFatal,
            RejectCode::SysTransient => Self::SysTransient,
            RejectCode::DestinationInvalid => Self::DestinationInvalid,
            RejectCode::CanisterReject => Self::CanisterReject,
            RejectCode::CanisterError => Self::CanisterError,
            RejectCode::SysUnknown => Self::Unknown,
        }
    }
}

#[derive(CandidType, Deserialize)]
enum WithdrawError {
    GenericError {
        message: String,
        error_code: Nat,
    },
    TemporarilyUnavailable,
    FailedToWithdraw {
        fee_block: Option<Nat>,
        rejection_code: RejectionCode,
        rejection_reason: String,
    },
    Duplicate {
        duplicate_of: Nat,
    },
    BadFee {
        expected_fee: Nat,
    },
    InvalidReceiver {
        receiver: Principal,
    },
    CreatedInFuture {
        ledger_time: u64,
    },
    TooOld,
    InsufficientFunds {
        balance: Nat,
    },
}

#[derive(CandidType, Deserialize)]
enum WithdrawFromError {
    GenericError {
        message: String,
        error_code: Nat,
    },
    TemporarilyUnavailable,
    FailedToWithdrawFrom {
        withdraw_from_block: Option<Nat>,
        refund_block: Option<Nat>,
        approval_refund_block: Option<Nat>,
        rejection_code: RejectionCode,
        rejection_reason: String,
    },
    Duplicate {
        duplicate_of: Nat,
    },
    InvalidReceiver {
        receiver: Principal,
    },
    CreatedInFuture {
        ledger_time: u64,
    },
    TooOld,
    InsufficientFunds {
        balance: Nat,
    },
    InsufficientAllowance {
        allowance: Nat,
    },
}

/// The blocks that refund a payment, and that restore the allowance.
pub(super) struct Refund {
    pub(super) block: Option<u64>,
    pub(super) approval: Option<u64>,
}

/// The order of a withdrawal.
pub(super) struct Order {
    pub(super) from: Account,
    /// The caller of `withdraw_from`.
    pub(super) spender: Option<Account>,
    pub(super) to: Principal,
    pub(super) amount: Nat,
    pub(super) created_at_time: Option<u64>,
}

/// The memo of a withdrawal, in CBOR: an array with the receiver.
fn memo_of(receiver: &Principal) -> Vec<u8> {
    let bytes = receiver.as_slice();
    let length = bytes.len() as u8;
    let head = match length {
        0..24 => vec![0x81, 0x40 | length],
        _ => vec![0x81, 0x58, length],
    };
    [head.as_slice(), bytes].concat()
}

/// Whether a principal belongs to a key, so that no canister can have it.
fn is_self_authenticating(principal: &Principal) -> bool {
    principal.as_slice().get(28) == Some(&2)
}

impl CyclesLedger {
    pub(super) fn withdraw(&mut self, order: Order, env: &Env<'_>) -> Result<Effects, String> {
        let (to, is_from) = (order.to, order.spender.is_some());
        if small(&order.amount).is_some() && is_self_authenticating(&to) {
            return match is_from {
                true => refuse(WithdrawFromError::InvalidReceiver { receiver: to }),
                false => refuse(WithdrawError::InvalidReceiver { receiver: to }),
            };
        }
        if order.amount == 0_u8 {
            let message = "The withdraw_from 0 cycles is not possible".into();
            return refuse_withdrawal(Refusal::Generic(NOTHING_TO_WITHDRAW, message), is_from);
        }
        let memo = memo_of(&to);
        match self.take(order, memo, env.now)? {
            Err(refusal) => refuse_withdrawal(refusal, is_from),
            Ok(payment) => {
                let amount = payment.amount;
                let job = Job::Withdrawal(Withdrawal { payment, is_from });
                let argument = (DepositArgs { canister_id: to },);
                let management = Principal::management_canister();
                Effects::call(
                    management,
                    "deposit_cycles",
                    argument,
                    amount,
                    self.jobs.add(job),
                )
            }
        }
    }

    /// Lets an account pay for what leaves the ledger.
    pub(super) fn take(&mut self, order: Order, memo: Vec<u8>, now: u64) -> Outcome<Payment> {
        let from = order.from.normal();
        let spender = order.spender.map(Account::normal);
        let balance = self.book.balance(&from);
        let Some(amount) = small(&order.amount) else {
            return Ok(Err(Refusal::InsufficientFunds(balance)));
        };
        let transaction = Transaction {
            operation: Operation::Burn {
                from,
                spender,
                amount,
            },
            created_at_time: order.created_at_time,
            memo: Some(memo),
        };
        accepted!(self.check_duplicate(&transaction));
        let Some(total) = amount.checked_add(FEE) else {
            return Ok(Err(Refusal::InsufficientFunds(balance)));
        };
        let spender = spender.filter(|spender| *spender != from);
        let allowance = spender.map(|spender| self.book.allowance(&from, &spender));
        if allowance.is_some_and(|allowance| !allowance.is_valid(now)) {
            return Ok(Err(Refusal::InsufficientAllowance(0)));
        }
        accepted!(self.check_allowance(&from, spender, total, now));
        if balance < total {
            return Ok(Err(Refusal::InsufficientFunds(balance)));
        }
        let block = accepted!(self.add(transaction, now)?);
        self.pay(&from, spender, total)?;
        self.prune(now);
        Ok(Ok(Payment {
            from,
            spender,
            amount,
            block,
            expires_at: allowance.and_then(|allowance| allowance.expires_at),
        }))
    }

    /// Gives `returned` cycles back, less the fee of the refund's block, and restores the allowance
    /// if it is still valid and there is more than the fees. The platform has refunded the cycles.
    ///
    /// # Errors
    /// The message of a trap.
    pub(super) fn refund(
        &mut self,
        payment: &Payment,
        returned: u128,
        memo: &[u8],
        now: u64,
    ) -> Result<Refund, String> {
        let amount = returned.saturating_sub(FEE);
        if amount == 0 {
            return Ok(Refund {
                block: None,
                approval: None,
            });
        }
        let block = self.mint(payment.from, amount, 0, Some(memo.to_vec()), now)?;
        self.prune(now);
        let is_valid = payment.expires_at.is_none_or(|at| now < at);
        let approval = match payment.spender {
            Some(spender) if is_valid && amount > FEE => {
                Some(self.restore_allowance(payment, spender, amount - FEE, now)?)
            }
            _ => None,
        };
        Ok(Refund {
            block: Some(block),
            approval,
        })
    }

    fn restore_allowance(
        &mut self,
        payment: &Payment,
        spender: Account,
        amount: u128,
        now: u64,
    ) -> Result<u64, String> {
        let current = self.current_allowance(&payment.from, &spender, now);
        let transaction = Transaction {
            operation: Operation::Approve {
                from: payment.from,
                spender,
                amount: amount.saturating_add(current.amount),
                expected_allowance: None,
                expires_at: current.expires_at.or(payment.expires_at),
                fee: None,
            },
            created_at_time: None,
            memo: Some(PENALTY.to_vec()),
        };
        let added = self.add_approval(transaction, now)?;
        added.map_err(|refusal| format!("Unable to reimburse approval: {refusal:?}"))
    }

    /// Ends a withdrawal.
    pub(super) fn end_withdrawal(
        &mut self,
        withdrawal: &Withdrawal,
        result: Result<&[u8], (RejectCode, &str)>,
        now: u64,
    ) -> Result<Effects, String> {
        let Withdrawal { payment, is_from } = withdrawal;
        let (code, reason) = match result {
            Ok(_) => {
                let block = Nat::from(payment.block);
                return match is_from {
                    true => Effects::reply((Ok::<_, WithdrawFromError>(block),)),
                    false => Effects::reply((Ok::<_, WithdrawError>(block),)),
                };
            }
            Err(reject) => reject,
        };
        let refund = self.refund(payment, payment.amount, &PENALTY, now)?;
        match is_from {
            true => refuse(WithdrawFromError::FailedToWithdrawFrom {
                withdraw_from_block: Some(payment.block.into()),
                refund_block: refund.block.map(Nat::from),
                approval_refund_block: refund.approval.map(Nat::from),
                rejection_code: code.into(),
                rejection_reason: reason.into(),
            }),
            false => refuse(WithdrawError::FailedToWithdraw {
                fee_block: refund.block.map(Nat::from),
                rejection_code: code.into(),
                rejection_reason: reason.into(),
            }),
        }
    }
}

#[derive(CandidType)]
struct DepositArgs {
    canister_id: Principal,
}

fn refuse(error: impl CandidType) -> Result<Effects, String> {
    Effects::reply((Err::<Nat, _>(error),))
}

fn refuse_withdrawal(refusal: Refusal, is_from: bool) -> Result<Effects, String> {
    use WithdrawError as W;
    use WithdrawFromError as F;
    let error = match refusal {
        Refusal::InsufficientFunds(balance) => F::InsufficientFunds {
            balance: balance.into(),
        },
        Refusal::InsufficientAllowance(allowance) => F::InsufficientAllowance {
            allowance: allowance.into(),
        },
        Refusal::TooOld => F::TooOld,
        Refusal::CreatedInFuture(ledger_time) => F::CreatedInFuture { ledger_time },
        Refusal::Duplicate(block, _) => F::Duplicate {
            duplicate_of: block.into(),
        },
        Refusal::Generic(code, message) => F::GenericError {
            error_code: code.into(),
            message,
        },
        other => return Err(format!("{other:?} should not happen for a withdrawal")),
    };
    if is_from {
        return refuse(error);
    }
    refuse(match error {
        F::InsufficientFunds { balance } => W::InsufficientFunds { balance },
        F::TooOld => W::TooOld,
        F::CreatedInFuture { ledger_time } => W::CreatedInFuture { ledger_time },
        F::Duplicate { duplicate_of } => W::Duplicate { duplicate_of },
        F::GenericError {
            message,
            error_code,
        } => W::GenericError {
            message,
            error_code,
        },
        F::InvalidReceiver { receiver } => W::InvalidReceiver { receiver },
        F::TemporarilyUnavailable => W::TemporarilyUnavailable,
        F::InsufficientAllowance { .. } | F::FailedToWithdrawFrom { .. } => {
            return Err("InsufficientAllowance error should not happen for withdraw".into());
        }
    })
}
