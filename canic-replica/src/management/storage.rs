//! What a canister stores beside its memory: chunks of modules, and logs.

use std::sync::Arc;

use candid::Principal;
use ic_management_canister_types as types;
use sha2::{Digest, Sha256};

use super::{Managed, decode, reply};
use crate::canister::{Canister, Request};
use crate::cycles::UPLOAD_CHUNK;
use crate::execution::Trap;
use crate::reject::{invalid, not_found};
use crate::replica::Replica;
use crate::{Reject, RejectCode};

/// Longest chunk, in bytes.
pub(crate) const MAX_CHUNK: usize = 1024 * 1024;
/// Chunks of one canister at most, and of one module.
pub(crate) const MAX_CHUNKS: usize = 100;

impl Replica {
    // Chunks.

    pub(crate) fn upload_chunk(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::UploadChunkArgs,)>(request)?;
        self.storing(args.canister_id, request)?;
        // Charged before anything is looked at: looking means hashing.
        self.charge_instructions(args.canister_id, UPLOAD_CHUNK, request)
            .map_err(|reject| {
                chunk_error(format!(
                    "Error charging for 'upload_chunk': {}",
                    reject.message
                ))
            })?;
        if args.chunk.len() > MAX_CHUNK {
            return Err(chunk_error(format!(
                "Wasm chunk size {} exceeds the maximum chunk size of {MAX_CHUNK}",
                args.chunk.len()
            )));
        }
        let hash: [u8; 32] = Sha256::digest(&args.chunk).into();
        let id = args.canister_id;
        let canister = self.canisters.get(&id).ok_or_else(|| not_found(id))?;
        if !canister.chunks.contains_key(&hash) {
            if canister.chunks.len() >= MAX_CHUNKS {
                return Err(chunk_error(format!(
                    "Wasm chunk store has reached maximum capacity of {MAX_CHUNKS} chunks"
                )));
            }
            let bytes = canister.memory_bytes() + MAX_CHUNK as u64;
            let limit = canister.freezing_limit(&self.prices(canister), bytes);
            if let Some(missing) = limit.checked_sub(canister.balance).filter(|m| *m > 0) {
                let why = format!(
                    "Canister cannot grow memory by {MAX_CHUNK} bytes due to insufficient cycles. At least {missing} additional \
                     cycles are required."
                );
                return Err(Reject::new(RejectCode::CanisterError, 532, why));
            }
            self.canister(id)?.chunks.insert(hash, Arc::new(args.chunk));
        }
        reply((types::ChunkHash {
            hash: hash.to_vec(),
        },))
    }

    pub(crate) fn stored_chunks(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let canister = self.storing(args.canister_id, request)?;
        let chunks: Vec<_> = canister
            .chunks
            .keys()
            .map(|hash| types::ChunkHash {
                hash: hash.to_vec(),
            })
            .collect();
        reply((chunks,))
    }

    pub(crate) fn clear_chunk_store(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        self.storing(args.canister_id, request)?.chunks.clear();
        reply(())
    }

    /// The canister, if the caller may use its chunk store: its controllers and it itself.
    pub(crate) fn storing(
        &mut self,
        id: Principal,
        request: &Request,
    ) -> Result<&mut Canister, Reject> {
        if id == request.sender {
            self.canister(id)
        } else {
            self.controlled(id, request)
        }
    }

    // Logs.

    /// As an update call; the platform offers it to canisters only.
    pub(crate) fn fetch_logs(&mut self, request: &Request) -> Managed {
        self.read_logs(request)
    }

    pub(crate) fn read_logs(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::FetchCanisterLogsArgs,)>(request)?;
        if args.filter.is_some() {
            return Err(invalid(
                "fetch_canister_logs: filters are not supported by this replica",
            ));
        }
        let id = args.canister_id;
        let canister = self.canisters.get(&id).ok_or_else(|| not_found(id))?;
        let allowed = match &canister.settings.log_visibility {
            types::LogVisibility::Controllers => false,
            types::LogVisibility::Public => true,
            types::LogVisibility::AllowedViewers(viewers) => viewers.contains(&request.sender),
        };
        if !allowed && !canister.is_controller(&request.sender) {
            let why = format!(
                "Caller {} is not allowed to access canister logs",
                request.sender
            );
            return Err(Reject::new(RejectCode::CanisterReject, 406, why));
        }
        let canister_log_records = canister.logs.iter().cloned().collect();
        reply((types::FetchCanisterLogsResult {
            canister_log_records,
        },))
    }

    /// Charges a canister for work that the platform does on it.
    pub(crate) fn charge_instructions(
        &mut self,
        id: Principal,
        instructions: u64,
        request: &Request,
    ) -> Result<(), Reject> {
        let canister = self
            .canisters
            .get(&id)
            .ok_or_else(|| Trap::NoModule.reject(id))?;
        let cost = self.prices(canister).execution(instructions);
        self.can_pay(canister, cost, &request.sender)?;
        self.canister(id)?.balance -= cost;
        self.ledger.fees.execution += cost;
        Ok(())
    }
}

pub(crate) fn chunk_error(why: String) -> Reject {
    Reject::new(
        RejectCode::CanisterError,
        504,
        format!("Error from Wasm chunk store: {why}."),
    )
}
