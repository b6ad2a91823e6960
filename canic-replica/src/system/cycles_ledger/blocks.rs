//! The answers of `icrc3_get_blocks` and `icrc3_get_tip_certificate`.

use candid::{CandidType, Deserialize, Empty, Nat};
use serde::Serialize;
use serde_bytes::ByteBuf;

use crate::system::{
    cycles_ledger::{CyclesLedger, transaction::Value},
    icrc::small,
    message::Env,
};

/// The most blocks in an answer.
pub(super) const MAX_BLOCKS: u64 = 50;

#[derive(CandidType, Deserialize)]
pub(super) struct GetBlocksArg {
    start: Nat,
    length: Nat,
}

#[derive(CandidType)]
struct BlockWithId {
    id: Nat,
    block: Value,
}

#[derive(CandidType)]
pub(super) struct GetBlocksResult {
    log_length: Nat,
    blocks: Vec<BlockWithId>,
    /// The ledger keeps all blocks itself. A list of nothing is one of any type.
    archived_blocks: Vec<Empty>,
}

#[derive(CandidType)]
pub(super) struct TipCertificate {
    certificate: ByteBuf,
    hash_tree: ByteBuf,
}

impl CyclesLedger {
    pub(super) fn get_blocks(&self, args: &[GetBlocksArg]) -> GetBlocksResult {
        let mut blocks = Vec::new();
        for GetBlocksArg { start, length } in args {
            let left = MAX_BLOCKS - blocks.len() as u64;
            let small = |number| small(number).and_then(|number| u64::try_from(number).ok());
            if let (Some(start), Some(length)) = (small(start), small(length)) {
                let found = self.blocks.range(start, length.min(left));
                blocks.extend(found.map(|(id, block)| BlockWithId {
                    id: id.into(),
                    block: block.to_value(),
                }));
            }
        }
        GetBlocksResult {
            log_length: self.blocks.len().into(),
            blocks,
            archived_blocks: Vec::new(),
        }
    }

    /// The certificate of the last block. Only queries can read it.
    pub(super) fn tip_certificate(&self, env: &Env<'_>) -> Result<Option<TipCertificate>, String> {
        let (Some(certificate), Some(tree)) = (env.certificate, self.tip()) else {
            return Ok(None);
        };
        let mut hash_tree = Vec::new();
        tree.serialize(&mut serde_cbor::Serializer::new(&mut hash_tree))
            .map_err(|error| error.to_string())?;
        Ok(Some(TipCertificate {
            certificate: ByteBuf::from(certificate),
            hash_tree: hash_tree.into(),
        }))
    }
}
