//! Storage beside a canister's memory: the chunk store, and the log.

use std::{collections::BTreeMap, sync::Arc};

use candid::Principal;
use ic_management_canister_types as types;
use ic_management_canister_types::CanisterLogFilter as Filter;
use sha2::{Digest, Sha256};

use crate::{
    canister::{Canister, calls::Request, consumption::Purpose},
    management::call::{Answer, ManagementResult, decode, encode, reply},
    network::Network,
    prices::{MAX_LOGS, UPLOAD_CHUNK},
    reject::{Reject, RejectCode, refused},
};

/// Longest chunk, in bytes.
pub(crate) const MAX_CHUNK: usize = 1024 * 1024;
/// The limit of the chunks of one canister, and of one module.
pub(crate) const MAX_CHUNKS: usize = 100;

impl Network {
    // Chunks.

    pub(crate) fn upload_chunk(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::UploadChunkArgs,)>(request)?;
        self.require_chunk_store_user(args.canister_id, request)?;
        // The charge comes before all checks, as they hash the chunk.
        self.charge_instructions(args.canister_id, UPLOAD_CHUNK, &request.sender)
            .map_err(|reject| {
                chunk_error(format!(
                    "Error charging for 'upload_chunk': {}",
                    reject.message
                ))
            })?;
        let canister = self.require_canister(args.canister_id)?;
        let hash = check_chunk(&canister.chunks, &args.chunk)?;
        if !canister.chunks.contains_key(&hash) {
            let mut draft = Canister::clone(canister);
            draft.chunks.insert(hash, Arc::new(args.chunk));
            self.check_can_grow(canister, &draft)?;
            self.commit_draft(draft, 0);
        }
        reply((types::ChunkHash {
            hash: hash.to_vec(),
        },))
    }

    pub(crate) fn stored_chunks(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let canister = self.require_chunk_store_user(args.canister_id, request)?;
        let chunks: Vec<_> = canister
            .chunks
            .keys()
            .map(|hash| types::ChunkHash {
                hash: hash.to_vec(),
            })
            .collect();
        reply((chunks,))
    }

    pub(crate) fn clear_chunk_store(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let mut draft = self
            .require_chunk_store_user(args.canister_id, request)?
            .clone();
        draft.chunks.clear();
        // As on the platform, the chunk store of a frozen canister cannot be cleared, unless that
        // thaws the canister.
        self.check_can_grow(self.require_canister(args.canister_id)?, &draft)?;
        self.commit_draft(draft, 0);
        reply(())
    }

    /// The canister, if the caller may use its chunk store: the canister itself, and its
    /// controllers.
    pub(crate) fn require_chunk_store_user(
        &mut self,
        id: Principal,
        request: &Request,
    ) -> Result<&mut Canister, Reject> {
        if id == request.sender {
            self.require_canister_mut(id)
        } else {
            self.require_controlled(id, request)
        }
    }

    // Logs.

    /// Fetches a log by an update call, which the platform offers to canisters only. The attached
    /// cycles must cover the longest answer.
    pub(crate) fn fetch_logs(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::FetchCanisterLogsArgs,)>(request)?;
        let prices = self.prices(self.require_canister(args.canister_id)?);
        let required = prices.logs(MAX_LOGS);
        if request.cycles < required {
            return Err(refused(format!(
                "fetch_canister_logs request sent with {} cycles, but {required} cycles are \
                 required.",
                request.cycles
            )));
        }
        let reply = self.encoded_logs(request)?;
        let fee = prices.logs(reply.len());
        self.ledger.fees.execution += fee;
        if let Some(sender) = self.canister_mut(request.sender) {
            sender.consumption.add(Purpose::Instructions, fee);
        }
        Ok(Answer::ReplyAndRefund(
            reply,
            request.cycles.saturating_sub(fee),
        ))
    }

    pub(crate) fn read_logs(&self, request: &Request) -> ManagementResult {
        self.encoded_logs(request).map(Answer::Reply)
    }

    /// The lines of a log that a caller asks for, in Candid.
    fn encoded_logs(&self, request: &Request) -> Result<Vec<u8>, Reject> {
        let (args,) = decode::<(types::FetchCanisterLogsArgs,)>(request)?;
        let id = args.canister_id;
        let canister = self.require_canister(id)?;
        if !canister.is_log_visible_to(&request.sender) {
            let why = format!(
                "Caller {} is not allowed to access canister logs",
                request.sender
            );
            return Err(Reject::new(RejectCode::CanisterReject, 406, why));
        }
        // Both ranges exclude their ends.
        let wanted = |record: &&types::CanisterLogRecord| match args.filter {
            None => true,
            Some(Filter::ByIdx { start, end }) => (start..end).contains(&record.idx),
            Some(Filter::ByTimestampNanos { start, end }) => {
                (start..end).contains(&record.timestamp_nanos)
            }
        };
        let canister_log_records = canister.logs.iter().filter(wanted).cloned().collect();
        encode((types::FetchCanisterLogsResult {
            canister_log_records,
        },))
    }
}

/// The hash of a chunk, if the chunk store has it or has room for it.
pub(crate) fn check_chunk(
    store: &BTreeMap<[u8; 32], Arc<Vec<u8>>>,
    chunk: &[u8],
) -> Result<[u8; 32], Reject> {
    if chunk.len() > MAX_CHUNK {
        return Err(chunk_error(format!(
            "Wasm chunk size {} exceeds the maximum chunk size of {MAX_CHUNK}",
            chunk.len()
        )));
    }
    let hash = Sha256::digest(chunk).into();
    if !store.contains_key(&hash) && store.len() >= MAX_CHUNKS {
        return Err(chunk_error(format!(
            "Wasm chunk store has reached maximum capacity of {MAX_CHUNKS} chunks"
        )));
    }
    Ok(hash)
}

pub(crate) fn chunk_error(why: String) -> Reject {
    Reject::new(
        RejectCode::CanisterError,
        504,
        format!("Error from Wasm chunk store: {why}."),
    )
}

/// The reject for a canister that cannot pay for the work on a snapshot.
pub(crate) fn snapshot_unpaid(reject: Reject) -> Reject {
    let message = format!("Canister snapshotting failed with: `{}`", reject.message);
    Reject { message, ..reject }
}
