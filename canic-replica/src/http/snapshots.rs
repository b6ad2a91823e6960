//! Snapshots of canisters in directories of the host, as other tools write and read them:
//! `metadata.json`, `wasm_module.bin`, `wasm_memory.bin`, and, if there are any,
//! `stable_memory.bin` and `wasm_chunk_store/<hash>.bin`.
//!
//! Each transfer is a sequence of calls to the management canister by the sender, with its checks
//! and fees.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use candid::{
    Principal,
    utils::{ArgumentDecoder, ArgumentEncoder, decode_args, encode_args},
};
use ic_management_canister_types as types;
use types::{SnapshotDataKind, SnapshotDataOffset};

use crate::{
    http::{
        answer::{Answer, Failure},
        operations::principal,
        protocol::{RawCanisterSnapshotDownload, RawCanisterSnapshotId, RawCanisterSnapshotUpload},
    },
    ingress::{EffectivePrincipal, Ingress},
    replica::Replica,
};

/// The length of a slice, in bytes.
const PIECE: u64 = 2_000_000;

const METADATA: &str = "metadata.json";
const MODULE: &str = "wasm_module.bin";
const HEAP: &str = "wasm_memory.bin";
const STABLE: &str = "stable_memory.bin";
const CHUNKS: &str = "wasm_chunk_store";

/// Writes a snapshot into a directory, which is created if need be and must be empty.
pub(super) fn download(replica: &mut Replica, order: RawCanisterSnapshotDownload) -> Answer<()> {
    let mut transfer = SnapshotTransfer::new(
        replica,
        &order.sender.principal_id,
        &order.canister_id.canister_id,
        order.snapshot_dir,
    )?;
    let snapshot = order.snapshot_id;
    let metadata = transfer.metadata(&snapshot)?;
    let dir = transfer.dir.clone();
    let is_empty = match fs::read_dir(&dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => {
            fs::create_dir_all(&dir).map_err(|e| invalid_directory(&dir, e))?;
            true
        }
    };
    if !is_empty {
        return Err(invalid_directory(&dir, "it is not empty"));
    }
    transfer.save(
        &snapshot,
        MODULE,
        metadata.wasm_module_size,
        |offset, size| SnapshotDataKind::WasmModule { offset, size },
    )?;
    transfer.save(
        &snapshot,
        HEAP,
        metadata.wasm_memory_size,
        |offset, size| SnapshotDataKind::WasmMemory { offset, size },
    )?;
    if metadata.stable_memory_size > 0 {
        transfer.save(
            &snapshot,
            STABLE,
            metadata.stable_memory_size,
            |offset, size| SnapshotDataKind::StableMemory { offset, size },
        )?;
    }
    if !metadata.wasm_chunk_store.is_empty() {
        let chunks = dir.join(CHUNKS);
        fs::create_dir(&chunks).map_err(|e| invalid_directory(&chunks, e))?;
    }
    for chunk in &metadata.wasm_chunk_store {
        let hash = chunk.hash.clone();
        let bytes = transfer.read(&snapshot, SnapshotDataKind::WasmChunk { hash })?;
        let path = chunk_path(&dir, &chunk.hash);
        fs::write(&path, bytes).map_err(|e| invalid_directory(&path, e))?;
    }
    // The metadata is written last: where it exists, the snapshot is complete.
    let path = dir.join(METADATA);
    let text = serde_json::to_vec_pretty(&metadata)
        .map_err(|e| Failure::internal(format!("the metadata can't be written as JSON: {e}")))?;
    fs::write(&path, text).map_err(|e| invalid_directory(&path, e))
}

/// Uploads the snapshot in a directory.
pub(super) fn upload(
    replica: &mut Replica,
    order: RawCanisterSnapshotUpload,
) -> Answer<RawCanisterSnapshotId> {
    let mut transfer = SnapshotTransfer::new(
        replica,
        &order.sender.principal_id,
        &order.canister_id.canister_id,
        order.snapshot_dir,
    )?;
    let dir = transfer.dir.clone();
    let path = dir.join(METADATA);
    let text = fs::read(&path).map_err(|e| invalid_directory(&path, e))?;
    let metadata: types::ReadCanisterSnapshotMetadataResult =
        serde_json::from_slice(&text).map_err(|e| invalid_directory(&path, e))?;
    let (result,): (types::UploadCanisterSnapshotMetadataResult,) = transfer.call(
        "upload_canister_snapshot_metadata",
        (types::UploadCanisterSnapshotMetadataArgs {
            canister_id: transfer.canister,
            replace_snapshot: order.replace_snapshot.map(|snapshot| snapshot.snapshot_id),
            wasm_module_size: metadata.wasm_module_size,
            globals: metadata.globals.into_iter().flatten().collect(),
            wasm_memory_size: metadata.wasm_memory_size,
            stable_memory_size: metadata.stable_memory_size,
            certified_data: metadata.certified_data,
            global_timer: metadata.global_timer,
            on_low_wasm_memory_hook_status: metadata.on_low_wasm_memory_hook_status,
        },),
    )?;
    let snapshot = result.snapshot_id;
    transfer.load(&snapshot, MODULE, |offset| SnapshotDataOffset::WasmModule {
        offset,
    })?;
    transfer.load(&snapshot, HEAP, |offset| SnapshotDataOffset::WasmMemory {
        offset,
    })?;
    if metadata.stable_memory_size > 0 {
        transfer.load(&snapshot, STABLE, |offset| {
            SnapshotDataOffset::StableMemory { offset }
        })?;
    }
    for chunk in &metadata.wasm_chunk_store {
        let path = chunk_path(&dir, &chunk.hash);
        let bytes = fs::read(&path).map_err(|e| invalid_directory(&path, e))?;
        transfer.write(&snapshot, SnapshotDataOffset::WasmChunk, bytes)?;
    }
    Ok(RawCanisterSnapshotId {
        snapshot_id: snapshot,
    })
}

/// The transfer of one snapshot.
struct SnapshotTransfer<'a> {
    replica: &'a mut Replica,
    sender: Principal,
    canister: Principal,
    dir: PathBuf,
}

impl<'a> SnapshotTransfer<'a> {
    fn new(replica: &'a mut Replica, sender: &[u8], canister: &[u8], dir: PathBuf) -> Answer<Self> {
        let canister = principal(canister)?;
        if !replica.canister_exists(canister) {
            return Err(Failure::not_found(format!(
                "there is no canister {canister}"
            )));
        }
        Ok(Self {
            sender: principal(sender)?,
            canister,
            replica,
            dir,
        })
    }

    fn metadata(&mut self, snapshot: &[u8]) -> Answer<types::ReadCanisterSnapshotMetadataResult> {
        let args = types::ReadCanisterSnapshotMetadataArgs {
            canister_id: self.canister,
            snapshot_id: snapshot.to_vec(),
        };
        let (metadata,) = self.call("read_canister_snapshot_metadata", (args,))?;
        Ok(metadata)
    }

    fn read(&mut self, snapshot: &[u8], kind: SnapshotDataKind) -> Answer<Vec<u8>> {
        let args = types::ReadCanisterSnapshotDataArgs {
            canister_id: self.canister,
            snapshot_id: snapshot.to_vec(),
            kind,
        };
        let (result,): (types::ReadCanisterSnapshotDataResult,) =
            self.call("read_canister_snapshot_data", (args,))?;
        Ok(result.chunk)
    }

    fn write(&mut self, snapshot: &[u8], kind: SnapshotDataOffset, chunk: Vec<u8>) -> Answer<()> {
        let args = types::UploadCanisterSnapshotDataArgs {
            canister_id: self.canister,
            snapshot_id: snapshot.to_vec(),
            kind,
            chunk,
        };
        self.call("upload_canister_snapshot_data", (args,))
    }

    /// Writes so many bytes of the snapshot to a file.
    fn save(
        &mut self,
        snapshot: &[u8],
        name: &str,
        length: u64,
        kind: impl Fn(u64, u64) -> SnapshotDataKind,
    ) -> Answer<()> {
        let path = self.dir.join(name);
        let mut file = File::create_new(&path).map_err(|e| invalid_directory(&path, e))?;
        let mut offset = 0;
        while offset < length {
            let size = PIECE.min(length - offset);
            let piece = self.read(snapshot, kind(offset, size))?;
            file.write_all(&piece)
                .map_err(|e| invalid_directory(&path, e))?;
            offset += size;
        }
        Ok(())
    }

    /// Reads a file into the snapshot.
    fn load(
        &mut self,
        snapshot: &[u8],
        name: &str,
        kind: impl Fn(u64) -> SnapshotDataOffset,
    ) -> Answer<()> {
        let path = self.dir.join(name);
        let mut file = File::open(&path).map_err(|e| invalid_directory(&path, e))?;
        let mut offset = 0;
        loop {
            let mut piece = Vec::new();
            let part = Read::by_ref(&mut file).take(PIECE);
            let size = { part }
                .read_to_end(&mut piece)
                .map_err(|e| invalid_directory(&path, e))?;
            if size == 0 {
                return Ok(());
            }
            self.write(snapshot, kind(offset), piece)?;
            offset += size as u64;
        }
    }

    fn call<R: for<'b> ArgumentDecoder<'b>>(
        &mut self,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Answer<R> {
        let failed = |why: &dyn std::fmt::Display| {
            Failure::bad_request(format!("CanisterSnapshotError: {method}: {why}"))
        };
        let ingress = Ingress {
            sender: self.sender,
            canister: Principal::management_canister(),
            method: method.into(),
            payload: encode_args(args).map_err(|e| failed(&e))?,
            effective: Some(EffectivePrincipal::Canister(self.canister)),
            caller_info: None,
        };
        let message = self
            .replica
            .submit(ingress)
            .map_err(|reject| failed(&reject.text()))?;
        let reply = self
            .replica
            .await_ingress(&message)
            .map_err(|e| failed(&e))?
            .map_err(|reject| failed(&reject.text()))?;
        decode_args(&reply).map_err(|e| failed(&e))
    }
}

fn chunk_path(dir: &Path, hash: &[u8]) -> PathBuf {
    dir.join(CHUNKS).join(format!("{}.bin", hex::encode(hash)))
}

fn invalid_directory(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::bad_request(format!(
        "InvalidCanisterSnapshotDirectory: {}: {why}",
        path.display()
    ))
}
