//! The creation of canisters: the account pays first, the cycles minting canister then creates the
//! canister, and a failure refunds what is left, less the fee of the refund.

use candid::{CandidType, Deserialize, Nat, Principal};

use crate::{
    reject::RejectCode,
    system::{
        CYCLES_MINTING,
        account::{Account, Subaccount},
        creation::{CmcArgs, CmcError},
        cycles_ledger::{
            CyclesLedger,
            payment::{Creation, Job},
            withdrawal::{Order, RejectionCode},
        },
        icrc::{MAX_MEMO, Refusal},
        message::{Effects, Env, decode},
    },
};

/// The memos of a creation and of its refund.
const CREATION: [u8; MAX_MEMO] = [u8::MAX - 1; MAX_MEMO];
const REFUND: [u8; MAX_MEMO] = [u8::MAX - 2; MAX_MEMO];

#[derive(CandidType, Deserialize)]
pub(super) struct CreateCanisterArgs {
    pub(super) from_subaccount: Option<Subaccount>,
    pub(super) created_at_time: Option<u64>,
    pub(super) amount: Nat,
    pub(super) creation_args: Option<CmcArgs>,
}

#[derive(CandidType, Deserialize)]
pub(super) struct CreateCanisterFromArgs {
    pub(super) from: Account,
    pub(super) spender_subaccount: Option<Subaccount>,
    pub(super) created_at_time: Option<u64>,
    pub(super) amount: Nat,
    pub(super) creation_args: Option<CmcArgs>,
}

#[derive(CandidType, Deserialize)]
struct Success {
    block_id: Nat,
    canister_id: Principal,
}

#[derive(CandidType, Deserialize)]
enum CreateCanisterError {
    InsufficientFunds {
        balance: Nat,
    },
    TooOld,
    CreatedInFuture {
        ledger_time: u64,
    },
    TemporarilyUnavailable,
    Duplicate {
        duplicate_of: Nat,
        canister_id: Option<Principal>,
    },
    FailedToCreate {
        fee_block: Option<Nat>,
        refund_block: Option<Nat>,
        error: String,
    },
    GenericError {
        message: String,
        error_code: Nat,
    },
}

#[derive(CandidType, Deserialize)]
enum CreateCanisterFromError {
    InsufficientFunds {
        balance: Nat,
    },
    InsufficientAllowance {
        allowance: Nat,
    },
    TooOld,
    CreatedInFuture {
        ledger_time: u64,
    },
    TemporarilyUnavailable,
    Duplicate {
        duplicate_of: Nat,
        canister_id: Option<Principal>,
    },
    FailedToCreateFrom {
        create_from_block: Option<Nat>,
        refund_block: Option<Nat>,
        approval_refund_block: Option<Nat>,
        rejection_code: RejectionCode,
        rejection_reason: String,
    },
    GenericError {
        message: String,
        error_code: Nat,
    },
}

impl CyclesLedger {
    pub(super) fn create_canister(
        &mut self,
        order: Order,
        args: Option<CmcArgs>,
        env: &Env<'_>,
    ) -> Result<Effects, String> {
        let is_from = order.spender.is_some();
        let payment = match self.take(order, CREATION.to_vec(), env.now)? {
            Ok(payment) => payment,
            Err(refusal) => return refuse_creation(refusal, is_from),
        };
        let block = self.blocks.get(payment.block);
        let transaction = block.map_or([0; 32], |block| block.transaction.hash());
        let CmcArgs {
            settings,
            subnet_selection,
            ..
        } = args.unwrap_or_default();
        let mut settings = settings.unwrap_or_default();
        let controllers = &mut settings.controllers;
        controllers.get_or_insert_with(|| vec![env.caller]);
        let argument = CmcArgs {
            settings: Some(settings),
            subnet_selection,
            subnet_type: None,
        };
        let amount = payment.amount;
        let job = self.jobs.add(Job::Creation(Creation {
            payment,
            transaction,
            is_from,
        }));
        Effects::call(CYCLES_MINTING, "create_canister", (argument,), amount, job)
    }

    /// Ends a creation.
    pub(super) fn end_creation(
        &mut self,
        creation: &Creation,
        result: Result<&[u8], (RejectCode, &str)>,
        now: u64,
    ) -> Result<Effects, String> {
        let payment = &creation.payment;
        let (code, returned, reason) = match result {
            Ok(reply) => match decode::<(Result<Principal, CmcError>,)>(reply) {
                Ok((Ok(canister),)) => return self.created(creation, canister),
                Ok((Err(CmcError::Refunded {
                    refund_amount,
                    create_error,
                }),)) => (RejectionCode::CanisterError, refund_amount, create_error),
                Err(error) => (RejectionCode::CanisterError, payment.amount, error),
            },
            Err((code, reason)) => (code.into(), payment.amount, reason.to_owned()),
        };
        let refund = self.refund(payment, returned, &REFUND, now)?;
        let block = Some(payment.block.into());
        let refund_block = refund.block.map(Nat::from);
        match creation.is_from {
            true => refuse(CreateCanisterFromError::FailedToCreateFrom {
                create_from_block: block,
                refund_block,
                approval_refund_block: refund.approval.map(Nat::from),
                rejection_code: code,
                rejection_reason: reason,
            }),
            false => refuse(CreateCanisterError::FailedToCreate {
                fee_block: block,
                refund_block,
                error: reason,
            }),
        }
    }

    fn created(&mut self, creation: &Creation, canister: Principal) -> Result<Effects, String> {
        if let Some(remembered) = self.remembered.get_mut(&creation.transaction) {
            *remembered = (creation.payment.block, Some(canister));
        }
        let success = Success {
            block_id: creation.payment.block.into(),
            canister_id: canister,
        };
        match creation.is_from {
            true => Effects::reply((Ok::<_, CreateCanisterFromError>(success),)),
            false => Effects::reply((Ok::<_, CreateCanisterError>(success),)),
        }
    }
}

fn refuse(error: impl CandidType) -> Result<Effects, String> {
    Effects::reply((Err::<Success, _>(error),))
}

fn refuse_creation(refusal: Refusal, is_from: bool) -> Result<Effects, String> {
    use CreateCanisterError as C;
    use CreateCanisterFromError as F;
    let error = match refusal {
        Refusal::InsufficientFunds(balance) => F::InsufficientFunds {
            balance: balance.into(),
        },
        Refusal::InsufficientAllowance(allowance) => F::InsufficientAllowance {
            allowance: allowance.into(),
        },
        Refusal::TooOld => F::TooOld,
        Refusal::CreatedInFuture(ledger_time) => F::CreatedInFuture { ledger_time },
        Refusal::Duplicate(block, canister_id) => F::Duplicate {
            duplicate_of: block.into(),
            canister_id,
        },
        Refusal::Generic(code, message) => F::GenericError {
            error_code: code.into(),
            message,
        },
        other => return Err(format!("{other:?} should not happen for a creation")),
    };
    if is_from {
        return refuse(error);
    }
    refuse(match error {
        F::InsufficientFunds { balance } => C::InsufficientFunds { balance },
        F::TooOld => C::TooOld,
        F::CreatedInFuture { ledger_time } => C::CreatedInFuture { ledger_time },
        F::Duplicate {
            duplicate_of,
            canister_id,
        } => C::Duplicate {
            duplicate_of,
            canister_id,
        },
        F::GenericError {
            message,
            error_code,
        } => C::GenericError {
            message,
            error_code,
        },
        F::TemporarilyUnavailable => C::TemporarilyUnavailable,
        F::InsufficientAllowance { .. } | F::FailedToCreateFrom { .. } => {
            let why = "InsufficientAllowance error should not happen for create_canister";
            return Err(why.into());
        }
    })
}
