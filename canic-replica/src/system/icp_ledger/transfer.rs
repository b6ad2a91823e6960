//! Transactions: the checks, and their effect on the book.

use candid::{CandidType, Deserialize, Nat, Principal};

use crate::system::{
    account::{Account, AccountId, Subaccount},
    book::Allowance,
    icp_ledger::{Block, FEE, IcpLedger, Operation, Transaction, minting_account},
    icrc::{ApproveArgs, MAX_MEMO, PERMITTED_DRIFT, Refusal, WINDOW, small},
};

/// The most transactions that are forgotten at once.
const MAX_FORGOTTEN: usize = 100_000;

#[derive(CandidType, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(in crate::system) e8s: u64,
}

#[derive(CandidType, Deserialize, Clone, Copy)]
pub(crate) struct TimeStamp {
    pub(super) timestamp_nanos: u64,
}

#[derive(CandidType, Deserialize)]
pub(crate) struct TransferArgs {
    pub(in crate::system) memo: u64,
    pub(in crate::system) amount: Tokens,
    pub(in crate::system) fee: Tokens,
    pub(in crate::system) from_subaccount: Option<Subaccount>,
    pub(in crate::system) to: AccountId,
    created_at_time: Option<TimeStamp>,
}

impl TransferArgs {
    /// A transfer of a native canister.
    pub(in crate::system) fn new(
        from_subaccount: Subaccount,
        to: AccountId,
        amount: u64,
        fee: u64,
    ) -> Self {
        Self {
            memo: 0,
            amount: Tokens { e8s: amount },
            fee: Tokens { e8s: fee },
            from_subaccount: Some(from_subaccount),
            to,
            created_at_time: None,
        }
    }
}

#[derive(CandidType, Deserialize)]
pub(crate) enum TransferError {
    BadFee { expected_fee: Tokens },
    InsufficientFunds { balance: Tokens },
    TxTooOld { allowed_window_nanos: u64 },
    TxCreatedInFuture,
    TxDuplicate { duplicate_of: u64 },
}

impl std::fmt::Display for TransferError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadFee { expected_fee } => {
                write!(f, "transfer fee should be {}", tokens(expected_fee.e8s))
            }
            Self::InsufficientFunds { balance } => write!(
                f,
                "the debit account doesn't have enough funds to complete the transaction, current \
                 balance: {}",
                tokens(balance.e8s)
            ),
            Self::TxTooOld {
                allowed_window_nanos,
            } => write!(
                f,
                "transaction is older than {} seconds",
                allowed_window_nanos / 1_000_000_000
            ),
            Self::TxCreatedInFuture => f.write_str("transaction's created_at_time is in future"),
            Self::TxDuplicate { duplicate_of } => write!(
                f,
                "transaction is a duplicate of another transaction in block {duplicate_of}"
            ),
        }
    }
}

/// An amount as the ledger prints it.
fn tokens(e8s: u64) -> String {
    format!("{}.{:08} Token", e8s / 100_000_000, e8s % 100_000_000)
}

/// The arguments that transfers of ICRC-1 and ICRC-2 have in common.
pub(super) struct IcrcTransfer {
    pub(super) from: Account,
    pub(super) to: Account,
    pub(super) spender: Option<Account>,
    pub(super) amount: Nat,
    pub(super) fee: Option<Nat>,
    pub(super) memo: Option<Vec<u8>>,
    pub(super) created_at_time: Option<u64>,
}

/// A refusal, or the message of a trap.
pub(super) enum Failure {
    Refused(Refusal),
    Trap(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn trap(message: &str) -> Failure {
    Failure::Trap(message.into())
}

fn check_memo(memo: Option<&[u8]>) -> Result<(), Failure> {
    match memo {
        Some(memo) if memo.len() > MAX_MEMO => Err(trap("the memo field is too large")),
        _ => Ok(()),
    }
}

fn check_fee(fee: Option<&Nat>, expected: u64) -> Result<(), Refusal> {
    match fee {
        Some(fee) if *fee != expected => Err(Refusal::BadFee(expected.into())),
        _ => Ok(()),
    }
}

impl IcpLedger {
    /// The ledger's own method `transfer`.
    pub(super) fn transfer(
        &mut self,
        caller: Principal,
        args: &TransferArgs,
        now: u64,
    ) -> Result<Result<u64, TransferError>, String> {
        let to = args.to.checked()?;
        let from = AccountId::new(caller, args.from_subaccount);
        let minting = minting_account().id();
        let (amount, fee) = (args.amount.e8s, args.fee.e8s);
        let operation = if from == minting {
            if fee != 0 {
                return Err("Fee for minting should be zero".into());
            }
            if to == minting {
                return Err("It is illegal to mint to a minting_account".into());
            }
            Operation::Mint { to, amount }
        } else if to == minting {
            if fee != 0 {
                return Err("Fee for burning should be zero".into());
            }
            if amount < FEE {
                return Err(format!("Burns lower than {} are not allowed", tokens(FEE)));
            }
            Operation::Burn {
                from,
                spender: None,
                amount,
            }
        } else {
            if fee != FEE {
                let expected_fee = Tokens { e8s: FEE };
                return Ok(Err(TransferError::BadFee { expected_fee }));
            }
            Operation::Transfer {
                from,
                to,
                spender: None,
                amount,
            }
        };
        let created = args.created_at_time.map(|at| at.timestamp_nanos);
        let transaction = Transaction {
            operation,
            memo: args.memo,
            icrc1_memo: None,
            // The time of the call stands for a time that is left out, so that the same transfer
            // twice in a round is a duplicate.
            created_at_time: created.or(Some(now)),
        };
        match self.add(transaction, now) {
            Ok(block) => Ok(Ok(block)),
            Err(refusal) => legacy(refusal).map(Err),
        }
    }

    /// A transfer of ICRC-1, or of ICRC-2 if there is a spender.
    pub(super) fn icrc_transfer(&mut self, args: IcrcTransfer, now: u64) -> Result<u64, Failure> {
        let (from, to) = (args.from.id(), args.to.id());
        let spender = args.spender.map(|spender| spender.id());
        check_memo(args.memo.as_deref())?;
        let balance = self.book.balance(&from);
        let Some(amount) = small(&args.amount).and_then(|amount| u64::try_from(amount).ok()) else {
            return Err(Refusal::InsufficientFunds(balance).into());
        };
        let minting = minting_account().id();
        let operation = if to == minting {
            check_fee(args.fee.as_ref(), 0)?;
            let least = u128::from(FEE).min(balance);
            if u128::from(amount) < least {
                return Err(Refusal::BadBurn(least).into());
            }
            if amount == 0 {
                return Err(Refusal::BadBurn(FEE.into()).into());
            }
            Operation::Burn {
                from,
                spender,
                amount,
            }
        } else if from == minting {
            if spender.is_some() {
                return Err(trap("the minter account cannot delegate mints"));
            }
            check_fee(args.fee.as_ref(), 0)?;
            Operation::Mint { to, amount }
        } else {
            check_fee(args.fee.as_ref(), FEE)?;
            Operation::Transfer {
                from,
                to,
                spender,
                amount,
            }
        };
        let transaction = Transaction {
            operation,
            memo: 0,
            icrc1_memo: args.memo,
            created_at_time: args.created_at_time,
        };
        Ok(self.add(transaction, now)?)
    }

    pub(super) fn approve(
        &mut self,
        caller: Principal,
        args: ApproveArgs,
        now: u64,
    ) -> Result<u64, Failure> {
        if caller == args.spender.owner {
            return Err(trap("self approval is not allowed"));
        }
        let from = AccountId::new(caller, args.from_subaccount);
        let spender = args.spender.id();
        if from == minting_account().id() {
            return Err(trap("the minting account cannot delegate mints"));
        }
        let memo = args.memo.map(|memo| memo.into_vec());
        check_memo(memo.as_deref())?;
        let e8s = |number: &Nat| small(number).and_then(|number| u64::try_from(number).ok());
        let expected_allowance = match &args.expected_allowance {
            None => None,
            Some(number) => match e8s(number) {
                Some(number) => Some(number),
                None => {
                    let current = self.valid_allowance(&from, &spender, now).amount;
                    return Err(Refusal::AllowanceChanged(current).into());
                }
            },
        };
        check_fee(args.fee.as_ref(), FEE)?;
        let operation = Operation::Approve {
            from,
            spender,
            allowance: e8s(&args.amount).unwrap_or(u64::MAX),
            expected_allowance,
            expires_at: args.expires_at,
        };
        let transaction = Transaction {
            operation,
            memo: 0,
            icrc1_memo: memo,
            created_at_time: args.created_at_time,
        };
        Ok(self.add(transaction, now)?)
    }

    /// An allowance; nothing if it has expired.
    pub(super) fn valid_allowance(
        &self,
        from: &AccountId,
        spender: &AccountId,
        now: u64,
    ) -> Allowance {
        let allowance = self.book.allowance(from, spender);
        match allowance.is_valid(now) {
            true => allowance,
            false => Allowance::default(),
        }
    }

    /// Applies a transaction and adds its block; answers the index.
    pub(super) fn add(&mut self, transaction: Transaction, now: u64) -> Result<u64, Refusal> {
        self.forget(now);
        self.book.prune(now);
        let hash = transaction.hash();
        if let Some(created) = transaction.created_at_time {
            Refusal::of_time(created, now.saturating_sub(WINDOW), now)?;
            if let Some(block) = self.remembered.get(&hash) {
                return Err(Refusal::Duplicate(*block, None));
            }
        }
        self.apply(&transaction.operation, now)?;
        let is_remembered = transaction.created_at_time.is_some();
        let block = Block {
            parent_hash: self.last_hash,
            transaction,
            timestamp: now,
        };
        self.last_hash = Some(block.hash());
        let index = self.blocks.push(block);
        if is_remembered {
            self.remembered.insert(hash, index);
            self.window.push_back((now, hash));
        }
        Ok(index)
    }

    /// Forgets transactions that are too old to come again.
    fn forget(&mut self, now: u64) {
        for _ in 0..MAX_FORGOTTEN {
            match self.window.front() {
                Some((at, hash)) if at.saturating_add(WINDOW + PERMITTED_DRIFT) < now => {
                    self.remembered.remove(hash);
                    self.window.pop_front();
                }
                _ => break,
            }
        }
    }

    fn apply(&mut self, operation: &Operation, now: u64) -> Result<(), Refusal> {
        match *operation {
            Operation::Mint { to, amount } => {
                self.pay_in(&to, amount)?;
            }
            Operation::Burn {
                from,
                spender,
                amount,
            } => {
                self.check_allowance(&from, spender, amount.into(), now)?;
                self.pay_out(&from, amount.into())?;
                self.use_allowance(&from, spender, amount.into());
            }
            Operation::Transfer {
                from,
                to,
                spender,
                amount,
            } => {
                let spender = spender.filter(|spender| *spender != from);
                let total = u128::from(amount) + u128::from(FEE);
                self.check_allowance(&from, spender, total, now)?;
                self.pay_out(&from, total)?;
                self.pay_in(&to, amount)?;
                self.use_allowance(&from, spender, total);
            }
            Operation::Approve {
                from,
                spender,
                allowance,
                expected_allowance,
                expires_at,
            } => {
                let balance = self.book.balance(&from);
                if balance < u128::from(FEE) {
                    return Err(Refusal::InsufficientFunds(balance));
                }
                if expires_at.is_some_and(|at| at <= now) {
                    return Err(Refusal::Expired(now));
                }
                let current = self.valid_allowance(&from, &spender, now).amount;
                if expected_allowance.is_some_and(|expected| u128::from(expected) != current) {
                    return Err(Refusal::AllowanceChanged(current));
                }
                self.pay_out(&from, FEE.into())?;
                let allowance = Allowance {
                    amount: allowance.into(),
                    expires_at,
                };
                self.book.set_allowance(&from, &spender, allowance);
            }
        }
        Ok(())
    }

    /// Checks an allowance. Without a spender nothing is to be checked.
    fn check_allowance(
        &self,
        from: &AccountId,
        spender: Option<AccountId>,
        amount: u128,
        now: u64,
    ) -> Result<(), Refusal> {
        let Some(spender) = spender else {
            return Ok(());
        };
        let allowance = self.valid_allowance(from, &spender, now).amount;
        match allowance < amount {
            true => Err(Refusal::InsufficientAllowance(allowance)),
            false => Ok(()),
        }
    }

    fn use_allowance(&mut self, from: &AccountId, spender: Option<AccountId>, amount: u128) {
        if let Some(spender) = spender.filter(|spender| spender != from) {
            self.book.use_allowance(from, &spender, amount);
        }
    }

    fn pay_out(&mut self, from: &AccountId, amount: u128) -> Result<(), Refusal> {
        (self.book.debit(from, amount)).map_err(Refusal::InsufficientFunds)
    }

    /// There are at most 2^64 - 1 e8s.
    fn pay_in(&mut self, to: &AccountId, amount: u64) -> Result<(), Refusal> {
        let supply = self.book.supply();
        if supply + u128::from(amount) > u128::from(u64::MAX) {
            return Err(Refusal::InsufficientFunds(u128::from(u64::MAX) - supply));
        }
        let credited = self.book.credit(to, amount.into());
        credited.map(drop).map_err(|why| Refusal::Generic(0, why))
    }
}

/// The error of the ledger's own method for a refusal.
///
/// # Errors
/// The message of a trap: no transfer is refused like this.
fn legacy(refusal: Refusal) -> Result<TransferError, String> {
    let e8s = |amount: u128| Tokens {
        e8s: u64::try_from(amount).unwrap_or(u64::MAX),
    };
    Ok(match refusal {
        Refusal::BadFee(fee) => TransferError::BadFee {
            expected_fee: e8s(fee),
        },
        Refusal::InsufficientFunds(balance) => TransferError::InsufficientFunds {
            balance: e8s(balance),
        },
        Refusal::TooOld => TransferError::TxTooOld {
            allowed_window_nanos: WINDOW,
        },
        Refusal::CreatedInFuture(_) => TransferError::TxCreatedInFuture,
        Refusal::Duplicate(duplicate_of, _) => TransferError::TxDuplicate { duplicate_of },
        other => return Err(format!("{other:?} should not happen for a transfer")),
    })
}
