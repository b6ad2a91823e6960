//! The cycles ledger: accounts of cycles, which the ledger's own canister holds.

mod blocks;
mod creation;
pub(super) mod interface;
mod payment;
mod transaction;
mod transfer;
mod withdrawal;

use std::collections::{BTreeMap, BTreeSet};

use candid::{Nat, Principal};
use ic_certification::{HashTree, fork, labeled, leaf};
use serde::{Deserialize, Serialize};

use crate::system::{
    Hash,
    account::Account,
    book::Book,
    cycles_ledger::{
        payment::Job,
        transaction::{Block, Operation, Transaction},
    },
    jobs::Jobs,
    log::Log,
};

/// The fee of a block, in cycles.
const FEE: u128 = 100_000_000;
/// What the ledger of PocketIC holds from the start for the anonymous principal, in cycles.
pub(crate) const INITIAL_CYCLES: u128 = 1 << 127;

/// The state of the cycles ledger.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) struct CyclesLedger {
    book: Book<Account>,
    blocks: Log<Block>,
    last_hash: Option<Hash>,
    /// The blocks of the transactions that are remembered, by their hashes, with the canisters that
    /// they created.
    remembered: BTreeMap<Hash, (u64, Option<Principal>)>,
    /// The same, by the times that their callers gave them.
    window: BTreeSet<(u64, u64, Hash)>,
    jobs: Jobs<Job>,
}

impl CyclesLedger {
    /// The ledger of PocketIC. Its canister must hold [`INITIAL_CYCLES`].
    ///
    /// # Errors
    /// The message of a trap; there is no reason for one.
    pub(crate) fn new(now: u64) -> Result<Self, String> {
        let mut ledger = Self {
            book: Book::default(),
            blocks: Log::default(),
            last_hash: None,
            remembered: BTreeMap::new(),
            window: BTreeSet::new(),
            jobs: Jobs::default(),
        };
        let anonymous = Account::new(Principal::anonymous(), None);
        ledger.mint(anonymous, INITIAL_CYCLES, FEE, None, now)?;
        Ok(ledger)
    }

    /// The tree of the last block; `None` before the first block.
    fn tip(&self) -> Option<HashTree> {
        let hash = self.last_hash?;
        let mut index = Vec::new();
        // Writing to memory can't fail.
        drop(Nat::from(self.blocks.len() - 1).encode(&mut index));
        Some(fork(
            labeled("last_block_hash", leaf(hash)),
            labeled("last_block_index", leaf(index)),
        ))
    }

    pub(super) fn certified_data(&self) -> Vec<u8> {
        (self.tip()).map_or_else(Vec::new, |tree| tree.digest().to_vec())
    }

    /// Mints cycles that the canister holds. Answers the block.
    ///
    /// # Errors
    /// The message of a trap.
    fn mint(
        &mut self,
        to: Account,
        amount: u128,
        fee: u128,
        memo: Option<Vec<u8>>,
        now: u64,
    ) -> Result<u64, String> {
        let to = to.normal();
        let transaction = Transaction {
            operation: Operation::Mint { to, amount, fee },
            created_at_time: None,
            memo,
        };
        self.book.credit(&to, amount)?;
        let added = self.add(transaction, now)?;
        added.map_err(|refusal| format!("Unable to mint {amount} cycles: {refusal:?}"))
    }
}
