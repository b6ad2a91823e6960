//! The ICP ledger.

pub(super) mod blocks;
mod encoding;
pub(super) mod interface;
pub(super) mod transfer;

use std::collections::{BTreeMap, VecDeque};

use candid::Principal;
use serde::{Deserialize, Serialize};

use crate::system::{
    GOVERNANCE, Hash,
    account::{Account, AccountId},
    book::Book,
    log::Log,
};

/// The fee of a transfer or an approval, in e8s.
pub(super) const FEE: u64 = 10_000;
/// What each of the accounts that exist from the start holds, in e8s: a billion ICP.
const INITIAL: u128 = 1_000_000_000 * 100_000_000;

/// An operation. Amounts are in e8s.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) enum Operation {
    Mint {
        to: AccountId,
        amount: u64,
    },
    Burn {
        from: AccountId,
        spender: Option<AccountId>,
        amount: u64,
    },
    Transfer {
        from: AccountId,
        to: AccountId,
        spender: Option<AccountId>,
        amount: u64,
    },
    Approve {
        from: AccountId,
        spender: AccountId,
        allowance: u64,
        expected_allowance: Option<u64>,
        expires_at: Option<u64>,
    },
}

/// An operation, with what its caller adds to it.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Transaction {
    operation: Operation,
    memo: u64,
    icrc1_memo: Option<Vec<u8>>,
    /// Nanoseconds since 1970.
    created_at_time: Option<u64>,
}

#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct Block {
    parent_hash: Option<Hash>,
    transaction: Transaction,
    timestamp: u64,
}

/// The state of the ICP ledger.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct IcpLedger {
    book: Book<AccountId>,
    blocks: Log<Block>,
    last_hash: Option<Hash>,
    /// The blocks of the transactions that are remembered, by their hashes.
    remembered: BTreeMap<Hash, u64>,
    /// The same, in the order of their blocks: the time of the block, and the hash.
    window: VecDeque<(u64, Hash)>,
}

impl IcpLedger {
    /// The ledger of PocketIC: the anonymous principal and the two accounts of the `dfx` extension
    /// `nns` hold a billion ICP each.
    ///
    /// # Errors
    /// The message of a trap; there is no reason for one.
    pub(crate) fn new(now: u64) -> Result<Self, String> {
        const OTHERS: [&str; 2] = [
            "2b8fbde99de881f695f279d2a892b1137bfe81a42d7694e064b1be58701e1138",
            "5b315d2f6702cb3a27d826161797d7b2c2e131cd312aece51d4d5574d1247087",
        ];
        let mut ledger = Self {
            book: Book::default(),
            blocks: Log::default(),
            last_hash: None,
            remembered: BTreeMap::new(),
            window: VecDeque::new(),
        };
        let others = OTHERS.into_iter().map(|text| {
            let bytes = hex::decode(text).map_err(|error| error.to_string())?;
            AccountId::of_bytes(&bytes).ok_or_else(|| format!("{text} is no account"))
        });
        let anonymous = AccountId::new(Principal::anonymous(), None);
        for account in std::iter::once(Ok(anonymous)).chain(others) {
            let operation = Operation::Mint {
                to: account?.checked()?,
                amount: INITIAL as u64,
            };
            let transaction = Transaction {
                operation,
                memo: 0,
                icrc1_memo: None,
                created_at_time: Some(now),
            };
            ledger
                .add(transaction, now)
                .map_err(|refusal| format!("{refusal:?}"))?;
        }
        Ok(ledger)
    }

    /// The hash of the last block.
    pub(super) fn certified_data(&self) -> Hash {
        self.last_hash.unwrap_or_default()
    }
}

/// The account that mints and burns.
pub(super) fn minting_account() -> Account {
    Account::new(GOVERNANCE, None)
}
