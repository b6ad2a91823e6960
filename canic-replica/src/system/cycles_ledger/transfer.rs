//! Transfers, approvals and deposits: the checks, and their effect on the book.

use candid::{Nat, Principal};

use crate::system::{
    account::Account,
    book::Allowance,
    cycles_ledger::{
        CyclesLedger, FEE,
        transaction::{Block, Operation, Transaction},
    },
    icrc::{ApproveArgs, MAX_MEMO, PERMITTED_DRIFT, Refusal, WINDOW, small},
};

/// The most transactions that are forgotten at once.
const MAX_FORGOTTEN: usize = 100_000;

/// Codes of [`Refusal::Generic`].
const DENIED_OWNER: u64 = 100_001;
const NOTHING_TO_TRANSFER: u64 = 100_002;
const EXPIRED_APPROVAL: u64 = 100_003;

/// A refusal within a result that may also be the message of a trap.
pub(super) type Outcome<T> = Result<Result<T, Refusal>, String>;

/// Goes on with the value, or answers the refusal.
macro_rules! accepted {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
}
pub(super) use accepted;

/// A transfer of ICRC-1, or of ICRC-2 if there is a spender.
pub(super) struct Transfer {
    pub(super) from: Account,
    pub(super) to: Account,
    pub(super) spender: Option<Account>,
    pub(super) amount: Nat,
    pub(super) fee: Option<Nat>,
    pub(super) memo: Option<Vec<u8>>,
    pub(super) created_at_time: Option<u64>,
}

fn is_denied(account: &Account) -> bool {
    account.owner == Principal::management_canister()
}

fn denied(account: &Account, of: &str) -> Refusal {
    let message = format!(
        "Owner of the account {} cannot be part of {of}",
        account.owner
    );
    Refusal::Generic(DENIED_OWNER, message)
}

fn fee_of(fee: Option<&Nat>) -> Result<Option<u128>, Refusal> {
    match fee {
        None => Ok(None),
        Some(fee) => small(fee).map(Some).ok_or(Refusal::BadFee(FEE)),
    }
}

fn check_fee(fee: Option<u128>) -> Result<(), Refusal> {
    match fee {
        Some(fee) if fee != FEE => Err(Refusal::BadFee(FEE)),
        _ => Ok(()),
    }
}

impl CyclesLedger {
    pub(super) fn transfer(&mut self, args: Transfer, now: u64) -> Outcome<u64> {
        let (from, to) = (args.from.normal(), args.to.normal());
        let spender = args.spender.map(Account::normal);
        let balance = self.book.balance(&from);
        let Some(amount) = small(&args.amount) else {
            return Ok(Err(Refusal::InsufficientFunds(balance)));
        };
        let fee = accepted!(fee_of(args.fee.as_ref()));
        let transaction = Transaction {
            operation: Operation::Transfer {
                from,
                to,
                spender,
                amount,
                fee,
            },
            created_at_time: args.created_at_time,
            memo: args.memo,
        };
        accepted!(self.check_duplicate(&transaction));
        let parties = [Some(from), Some(to), spender];
        if let Some(account) = parties.iter().flatten().find(|account| is_denied(account)) {
            return Ok(Err(denied(account, "transactions")));
        }
        accepted!(check_fee(fee));
        let Some(total) = amount.checked_add(FEE) else {
            return Ok(Err(Refusal::InsufficientFunds(balance)));
        };
        let spender = spender.filter(|spender| *spender != from);
        accepted!(self.check_allowance(&from, spender, total, now));
        if balance < total {
            return Ok(Err(Refusal::InsufficientFunds(balance)));
        }
        let block = accepted!(self.add(transaction, now)?);
        self.pay(&from, spender, total)?;
        self.book.credit(&to, amount)?;
        self.prune(now);
        Ok(Ok(block))
    }

    pub(super) fn approve(
        &mut self,
        caller: Principal,
        args: ApproveArgs,
        now: u64,
    ) -> Outcome<u64> {
        let from = Account::new(caller, args.from_subaccount);
        let spender = args.spender.normal();
        let expected = match &args.expected_allowance {
            None => None,
            Some(expected) => match small(expected) {
                Some(expected) => Some(expected),
                None => {
                    let current = self.current_allowance(&from, &spender, now).amount;
                    return Ok(Err(Refusal::AllowanceChanged(current)));
                }
            },
        };
        let fee = accepted!(fee_of(args.fee.as_ref()));
        let operation = Operation::Approve {
            from,
            spender,
            amount: small(&args.amount).unwrap_or(u128::MAX),
            expected_allowance: expected,
            expires_at: args.expires_at,
            fee,
        };
        let transaction = Transaction {
            operation,
            created_at_time: args.created_at_time,
            memo: args.memo.map(|memo| memo.into_vec()),
        };
        let block = accepted!(self.add_approval(transaction, now)?);
        self.prune(now);
        Ok(Ok(block))
    }

    /// Applies an approval; answers its block. Other operations are no approvals.
    pub(super) fn add_approval(&mut self, transaction: Transaction, now: u64) -> Outcome<u64> {
        let Operation::Approve {
            from,
            spender,
            amount,
            expected_allowance,
            expires_at,
            fee,
        } = transaction.operation
        else {
            return Err("this is no approval".into());
        };
        accepted!(self.check_duplicate(&transaction));
        if from.owner == spender.owner {
            return Err("self approval is not allowed".into());
        }
        if let Some(account) = [from, spender].iter().find(|account| is_denied(account)) {
            return Ok(Err(denied(account, "approvals")));
        }
        let current = self.current_allowance(&from, &spender, now).amount;
        if expected_allowance.is_some_and(|expected| expected != current) {
            return Ok(Err(Refusal::AllowanceChanged(current)));
        }
        accepted!(check_fee(fee));
        let balance = self.book.balance(&from);
        if balance < FEE {
            return Ok(Err(Refusal::InsufficientFunds(balance)));
        }
        if expires_at.is_some_and(|at| at <= now) {
            return Ok(Err(Refusal::Expired(now)));
        }
        let block = accepted!(self.add(transaction, now)?);
        self.book
            .set_allowance(&from, &spender, Allowance { amount, expires_at });
        self.pay(&from, None, FEE)?;
        Ok(Ok(block))
    }

    /// Mints attached cycles, which the canister has accepted, less the fee. Answers the block.
    ///
    /// # Errors
    /// The message of a trap, which refunds the cycles.
    pub(super) fn deposit(
        &mut self,
        to: Account,
        cycles: u128,
        memo: Option<Vec<u8>>,
        now: u64,
    ) -> Result<u64, String> {
        let amount = cycles.checked_sub(FEE).ok_or_else(|| {
            format!(
                "The requested amount {cycles} to be deposited is less than the cycles ledger fee: \
                 {FEE}"
            )
        })?;
        if amount == 0 {
            return Err(format!(
                "Cannot deposit 0 cycles (amount: {cycles}, cycles ledger fee: {FEE})"
            ));
        }
        let block = self.mint(to, amount, FEE, memo, now)?;
        self.prune(now);
        Ok(block)
    }

    pub(super) fn balance(&self, account: &Account) -> u128 {
        self.book.balance(&account.normal())
    }

    /// An allowance; nothing if it has expired.
    pub(super) fn current_allowance(
        &self,
        from: &Account,
        spender: &Account,
        now: u64,
    ) -> Allowance {
        let allowance = self.book.allowance(&from.normal(), &spender.normal());
        // At the very time of its expiry it is still shown.
        match allowance.expires_at {
            Some(at) if at < now => Allowance::default(),
            _ => allowance,
        }
    }

    /// Checks that a spender may take an amount. Without a spender nothing is to be checked.
    pub(super) fn check_allowance(
        &self,
        from: &Account,
        spender: Option<Account>,
        amount: u128,
        now: u64,
    ) -> Result<(), Refusal> {
        let Some(spender) = spender else {
            return Ok(());
        };
        if amount == 0 {
            let message = "The transfer_from 0 cycles is not possible".into();
            return Err(Refusal::Generic(NOTHING_TO_TRANSFER, message));
        }
        let allowance = self.book.allowance(from, &spender);
        if !allowance.is_valid(now) {
            let message = "Approval has expired".into();
            return Err(Refusal::Generic(EXPIRED_APPROVAL, message));
        }
        match allowance.amount < amount {
            true => Err(Refusal::InsufficientAllowance(allowance.amount)),
            false => Ok(()),
        }
    }

    /// Takes an amount from an account that has it, and from the allowance of a spender.
    ///
    /// # Errors
    /// The message of a trap: the account does not have it.
    pub(super) fn pay(
        &mut self,
        from: &Account,
        spender: Option<Account>,
        amount: u128,
    ) -> Result<(), String> {
        if let Some(spender) = spender {
            self.book.use_allowance(from, &spender, amount);
        }
        let short = |balance| format!("the balance {balance} is less than {amount}");
        self.book.debit(from, amount).map_err(short)
    }

    pub(super) fn check_duplicate(&self, transaction: &Transaction) -> Result<(), Refusal> {
        match self.remembered.get(&transaction.hash()) {
            Some((block, canister)) => Err(Refusal::Duplicate(*block, *canister)),
            None => Ok(()),
        }
    }

    /// Adds the block of a transaction; answers the index.
    pub(super) fn add(&mut self, transaction: Transaction, now: u64) -> Outcome<u64> {
        if let Some(memo) = &transaction.memo
            && memo.len() > MAX_MEMO
        {
            return Err(format!(
                "memo length exceeds the maximum of {MAX_MEMO} bytes"
            ));
        }
        if let Some(created) = transaction.created_at_time {
            let oldest = now.saturating_sub(WINDOW + PERMITTED_DRIFT);
            accepted!(Refusal::of_time(created, oldest, now));
        }
        let effective_fee = match &transaction.operation {
            Operation::Mint { .. } => Some(0),
            Operation::Burn { .. } => Some(FEE),
            Operation::Transfer { fee, .. } | Operation::Approve { fee, .. } => {
                fee.is_none().then_some(FEE)
            }
        };
        let (created, hash) = (transaction.created_at_time, transaction.hash());
        let block = Block {
            transaction,
            timestamp: now,
            parent_hash: self.last_hash,
            effective_fee,
        };
        self.last_hash = Some(block.hash());
        let index = self.blocks.push(block);
        if let Some(created) = created {
            self.remembered.insert(hash, (index, None));
            self.window.insert((created, index, hash));
        }
        Ok(Ok(index))
    }

    /// Forgets what has expired.
    pub(super) fn prune(&mut self, now: u64) {
        self.book.prune(now);
        for _ in 0..MAX_FORGOTTEN {
            match self.window.first() {
                Some((created, _, hash))
                    if created.saturating_add(WINDOW + PERMITTED_DRIFT) < now =>
                {
                    self.remembered.remove(hash);
                    self.window.pop_first();
                }
                _ => break,
            }
        }
    }
}
