//! What a canister stores beside its memory: chunks of modules, snapshots, logs.

use std::sync::Arc;

use candid::{Principal, Reserved};
use ic_management_canister_types as types;
use sha2::{Digest, Sha256};

use super::{Managed, decode, origin, reply};
use crate::canister::{Canister, Request, Snapshot};
use crate::cycles::{SNAPSHOT, UPLOAD_CHUNK};
use crate::execution::Trap;
use crate::reject::{invalid, not_found};
use crate::replica::Replica;
use crate::{Reject, RejectCode};

/// Longest chunk, in bytes.
const MAX_CHUNK: usize = 1024 * 1024;
/// Chunks of one canister at most, and of one module.
pub(crate) const MAX_CHUNKS: usize = 100;
const MAX_SNAPSHOTS: usize = 10;

impl Replica {
    // Chunks.

    pub(crate) fn upload_chunk(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::UploadChunkArgs,)>(request)?;
        self.storing(args.canister_id, request)?;
        if args.chunk.len() > MAX_CHUNK {
            return Err(chunk_error(format!(
                "Wasm chunk size {} exceeds the maximum chunk size of {MAX_CHUNK}",
                args.chunk.len()
            )));
        }
        let hash: [u8; 32] = Sha256::digest(&args.chunk).into();
        let canister = self.canister(args.canister_id)?;
        if !canister.chunks.contains_key(&hash) {
            if canister.chunks.len() >= MAX_CHUNKS {
                return Err(chunk_error(format!(
                    "Wasm chunk store has reached maximum capacity of {MAX_CHUNKS} chunks"
                )));
            }
            self.charge_instructions(args.canister_id, UPLOAD_CHUNK)?;
            self.canister(args.canister_id)?
                .chunks
                .insert(hash, Arc::new(args.chunk));
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
    fn storing(&mut self, id: Principal, request: &Request) -> Result<&mut Canister, Reject> {
        if id == request.sender {
            self.canister(id)
        } else {
            self.controlled(id, request)
        }
    }

    // Snapshots.

    pub(crate) fn take_snapshot(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::TakeCanisterSnapshotArgs,)>(request)?;
        let id = args.canister_id;
        let now = self.time;
        self.storing(id, request)?;
        let canister = self.canister(id)?;
        if let Some(replaced) = &args.replace_snapshot
            && !canister.snapshots.contains_key(replaced)
        {
            return Err(no_snapshot(id, replaced));
        }
        if args.replace_snapshot.is_none() && canister.snapshots.len() >= MAX_SNAPSHOTS {
            let why = format!(
                "Canister {id} has reached the maximum number of snapshots allowed: {MAX_SNAPSHOTS}."
            );
            return Err(invalid(why));
        }
        let Some(code) = canister.code.clone() else {
            return Err(invalid(format!(
                "Failed to create snapshot for empty canister {id}"
            )));
        };
        let bytes = canister.memory_bytes()
            - canister
                .snapshots
                .values()
                .map(|snapshot| snapshot.bytes)
                .sum::<u64>();
        self.charge_instructions(id, SNAPSHOT + bytes)?;
        let canister = self.canister(id)?;
        let snapshot = Snapshot {
            taken_at: now,
            version: canister.version,
            code,
            stable: canister.stable.clone(),
            certified_data: canister.certified_data.clone(),
            chunks: canister.chunks.clone(),
            bytes,
        };
        canister.snapshots_taken += 1;
        let name = [&canister.snapshots_taken.to_be_bytes(), id.as_slice()].concat();
        if let Some(replaced) = &args.replace_snapshot {
            canister.snapshots.remove(replaced);
        }
        let answer = describe(&name, &snapshot);
        canister.snapshots.insert(name, Arc::new(snapshot));
        if args.uninstall_code == Some(true) {
            self.uninstall(id);
            let origin = origin(request, args.sender_canister_version);
            self.canister(id)?
                .record(now, origin, types::ChangeDetails::CodeUninstall);
        }
        reply((answer,))
    }

    pub(crate) fn load_snapshot(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::LoadCanisterSnapshotArgs,)>(request)?;
        let id = args.canister_id;
        let now = self.time;
        let canister = self.storing(id, request)?;
        let found = canister.snapshots.get(&args.snapshot_id).cloned();
        let snapshot = found.ok_or_else(|| no_snapshot(id, &args.snapshot_id))?;
        if !canister.callbacks.is_empty() {
            let why = format!("Canister {id} has open calls: stop it before a snapshot is loaded.");
            return Err(Reject::new(RejectCode::CanisterError, 510, why));
        }
        self.charge_instructions(id, SNAPSHOT + snapshot.bytes)?;
        let canister = self.canister(id)?;
        canister.code = Some(snapshot.code.clone());
        canister.stable = snapshot.stable.clone();
        canister.certified_data.clone_from(&snapshot.certified_data);
        canister.chunks.clone_from(&snapshot.chunks);
        canister.timer = None;
        let details = types::LoadSnapshotRecord {
            from_canister_id: None,
            snapshot_id: args.snapshot_id,
            canister_version: snapshot.version,
            taken_at_timestamp: snapshot.taken_at,
            source: types::SnapshotSource::TakenFromCanister(Reserved),
        };
        let origin = origin(request, args.sender_canister_version);
        canister.record(now, origin, types::ChangeDetails::LoadSnapshot(details));
        reply(())
    }

    pub(crate) fn list_snapshots(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let open = match &self
            .canister(args.canister_id)?
            .settings
            .snapshot_visibility
        {
            types::SnapshotVisibility::Controllers => false,
            types::SnapshotVisibility::Public => true,
            types::SnapshotVisibility::AllowedViewers(viewers) => viewers.contains(&request.sender),
        };
        if !open {
            self.storing(args.canister_id, request)?;
        }
        let canister = self.canister(args.canister_id)?;
        let list: Vec<_> = canister
            .snapshots
            .iter()
            .map(|(name, snapshot)| describe(name, snapshot))
            .collect();
        reply((list,))
    }

    pub(crate) fn delete_snapshot(&mut self, request: &Request) -> Managed {
        let (args,) = decode::<(types::DeleteCanisterSnapshotArgs,)>(request)?;
        let canister = self.storing(args.canister_id, request)?;
        match canister.snapshots.remove(&args.snapshot_id) {
            Some(_) => reply(()),
            None => Err(no_snapshot(args.canister_id, &args.snapshot_id)),
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
    fn charge_instructions(&mut self, id: Principal, instructions: u64) -> Result<(), Reject> {
        let canister = self
            .canisters
            .get(&id)
            .ok_or_else(|| Trap::NoModule.reject(id))?;
        let cost = self.prices(canister).execution(instructions);
        self.can_pay(canister, cost)?;
        self.canister(id)?.balance -= cost;
        self.ledger.fees.execution += cost;
        Ok(())
    }
}

fn describe(name: &[u8], snapshot: &Snapshot) -> types::Snapshot {
    types::Snapshot {
        id: name.to_vec(),
        taken_at_timestamp: snapshot.taken_at,
        total_size: snapshot.bytes,
    }
}

fn no_snapshot(id: Principal, name: &[u8]) -> Reject {
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    let why = format!("Could not find the snapshot ID {name} for canister {id}.");
    Reject::new(RejectCode::DestinationInvalid, 305, why)
}

fn chunk_error(why: String) -> Reject {
    Reject::new(
        RejectCode::CanisterError,
        504,
        format!("Error from Wasm chunk store: {why}."),
    )
}
