//! The answers of `query_blocks`.

use candid::{CandidType, Deserialize, Empty, Int};
use serde_bytes::ByteBuf;

use crate::system::{
    Hash,
    account::AccountId,
    icp_ledger::{
        Block as StoredBlock, FEE, IcpLedger, Operation as StoredOperation,
        transfer::{TimeStamp, Tokens},
    },
    message::Env,
};

/// The most blocks in an answer, and in one to a user's update call.
const MAX_BLOCKS: u64 = 2000;
const MAX_BLOCKS_OF_INGRESS: u64 = 50;

#[derive(CandidType, Deserialize)]
pub(crate) struct GetBlocksArgs {
    pub(in crate::system) start: u64,
    pub(in crate::system) length: u64,
}

#[derive(CandidType, Deserialize)]
pub(crate) enum Operation {
    Mint {
        to: AccountId,
        amount: Tokens,
    },
    Burn {
        from: AccountId,
        spender: Option<AccountId>,
        amount: Tokens,
    },
    Transfer {
        from: AccountId,
        to: AccountId,
        amount: Tokens,
        fee: Tokens,
        spender: Option<AccountId>,
    },
    Approve {
        from: AccountId,
        spender: AccountId,
        allowance_e8s: Int,
        allowance: Tokens,
        fee: Tokens,
        expires_at: Option<TimeStamp>,
        expected_allowance: Option<Tokens>,
    },
}

#[derive(CandidType, Deserialize)]
pub(crate) struct Transaction {
    pub(in crate::system) memo: u64,
    pub(in crate::system) icrc1_memo: Option<ByteBuf>,
    pub(in crate::system) operation: Option<Operation>,
    created_at_time: TimeStamp,
}

#[derive(CandidType, Deserialize)]
pub(crate) struct Block {
    parent_hash: Option<Hash>,
    pub(in crate::system) transaction: Transaction,
    timestamp: TimeStamp,
}

#[derive(CandidType, Deserialize)]
pub(crate) struct QueryBlocksResponse {
    chain_length: u64,
    certificate: Option<ByteBuf>,
    pub(in crate::system) blocks: Vec<Block>,
    first_block_index: u64,
    /// The ledger keeps all blocks itself. A list of nothing is one of any type.
    archived_blocks: Vec<Empty>,
}

fn time(nanos: u64) -> TimeStamp {
    TimeStamp {
        timestamp_nanos: nanos,
    }
}

fn tokens(e8s: u64) -> Tokens {
    Tokens { e8s }
}

impl From<&StoredOperation> for Operation {
    fn from(operation: &StoredOperation) -> Self {
        match *operation {
            StoredOperation::Mint { to, amount } => Self::Mint {
                to,
                amount: tokens(amount),
            },
            StoredOperation::Burn {
                from,
                spender,
                amount,
            } => Self::Burn {
                from,
                spender,
                amount: tokens(amount),
            },
            StoredOperation::Transfer {
                from,
                to,
                spender,
                amount,
            } => Self::Transfer {
                from,
                to,
                amount: tokens(amount),
                fee: tokens(FEE),
                spender,
            },
            StoredOperation::Approve {
                from,
                spender,
                allowance,
                expected_allowance,
                expires_at,
            } => Self::Approve {
                from,
                spender,
                allowance_e8s: allowance.into(),
                allowance: tokens(allowance),
                fee: tokens(FEE),
                expires_at: expires_at.map(time),
                expected_allowance: expected_allowance.map(tokens),
            },
        }
    }
}

impl From<&StoredBlock> for Block {
    fn from(block: &StoredBlock) -> Self {
        let transaction = &block.transaction;
        Self {
            parent_hash: block.parent_hash,
            transaction: Transaction {
                memo: transaction.memo,
                icrc1_memo: transaction.icrc1_memo.clone().map(ByteBuf::from),
                operation: Some((&transaction.operation).into()),
                created_at_time: time(transaction.created_at_time.unwrap_or(block.timestamp)),
            },
            timestamp: time(block.timestamp),
        }
    }
}

impl IcpLedger {
    pub(super) fn query_blocks(&self, args: &GetBlocksArgs, env: &Env<'_>) -> QueryBlocksResponse {
        // The ids of canisters are short.
        let is_user = env.caller.as_slice().len() > 10 || env.caller.as_slice().len() == 1;
        let most = match env.is_replicated && is_user {
            true => MAX_BLOCKS_OF_INGRESS,
            false => MAX_BLOCKS,
        };
        let found = self.blocks.range(args.start, args.length.min(most));
        QueryBlocksResponse {
            chain_length: self.blocks.len(),
            certificate: env.certificate.map(ByteBuf::from),
            blocks: found.map(|(_, block)| block.into()).collect(),
            first_block_index: args.start.min(self.blocks.len()),
            archived_blocks: Vec::new(),
        }
    }
}
