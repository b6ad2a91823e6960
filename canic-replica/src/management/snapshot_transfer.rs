//! Downloads and uploads of snapshots, in slices.

use std::{collections::BTreeMap, sync::Arc};

use candid::Nat;
use ic_management_canister_types as types;
use types::OnLowWasmMemoryHookStatus as Hook;

use crate::{
    canister::{
        Canister,
        calls::Request,
        snapshot::{Snapshot, SnapshotCode, Upload},
        tasks::LowMemory,
    },
    management::{
        call::{ManagementResult, decode, number, reply},
        snapshots::hook_status,
        storage::{MAX_CHUNK, check_chunk, chunk_error, snapshot_unpaid},
    },
    memory::{Heap, Pages, Stable, WASM_PAGE},
    network::Network,
    prices::SNAPSHOT_DATA,
    reject::{Reject, RejectCode, invalid},
    wasm::{address_type::AddressType, global::Global, rewrite::GLOBAL_BYTES},
};

/// The longest slice, in bytes.
const MAX_SLICE: u64 = 2_000_000;
/// The limits of a module and of a heap, in bytes.
const MAX_MODULE: u64 = 100 << 20;
const MAX_HEAP: u64 = AddressType::I64.max_heap();
const MAX_GLOBALS: usize = 1_000;
const MAX_CERTIFIED_DATA: usize = 32;

/// The argument of `upload_canister_snapshot_data`, decoded with the data as bytes and not as a
/// list of numbers.
#[derive(candid::CandidType, candid::Deserialize)]
struct UploadDataArgs {
    canister_id: candid::Principal,
    snapshot_id: serde_bytes::ByteBuf,
    kind: types::SnapshotDataOffset,
    chunk: serde_bytes::ByteBuf,
}

impl Network {
    pub(crate) fn read_snapshot_metadata(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::ReadCanisterSnapshotMetadataArgs,)>(request)?;
        self.require_snapshot_reader(args.canister_id, request)?;
        let snapshot = self.snapshot(args.canister_id, &args.snapshot_id)?;
        let chunks = snapshot.chunks.keys();
        reply((types::ReadCanisterSnapshotMetadataResult {
            source: Some(snapshot.source()),
            taken_at_timestamp: snapshot.taken_at,
            wasm_module_size: snapshot.module().len() as u64,
            globals: snapshot
                .globals()
                .iter()
                .map(|g| Some(to_global(*g)))
                .collect(),
            wasm_memory_size: snapshot.heap().0.size * WASM_PAGE,
            stable_memory_size: snapshot.stable.bytes(),
            wasm_chunk_store: chunks
                .map(|hash| types::ChunkHash {
                    hash: hash.to_vec(),
                })
                .collect(),
            canister_version: snapshot.version,
            certified_data: snapshot.certified_data.clone(),
            global_timer: snapshot.timer.clone(),
            on_low_wasm_memory_hook_status: snapshot.low_memory.map(hook_status),
        },))
    }

    pub(crate) fn read_snapshot_data(&mut self, request: &Request) -> ManagementResult {
        use types::SnapshotDataKind::{StableMemory, WasmChunk, WasmMemory, WasmModule};
        let (args,) = decode::<(types::ReadCanisterSnapshotDataArgs,)>(request)?;
        let id = args.canister_id;
        self.require_snapshot_reader(id, request)?;
        let snapshot = self.snapshot(id, &args.snapshot_id)?;
        let (heap, initial) = snapshot.heap();
        // The length of the whole, and the requested slice.
        let (length, offset, size) = match args.kind {
            WasmModule { offset, size } => (snapshot.module().len() as u64, offset, size),
            WasmMemory { offset, size } => (heap.size * WASM_PAGE, offset, size),
            StableMemory { offset, size } => (snapshot.stable.bytes(), offset, size),
            WasmChunk { .. } => (MAX_CHUNK as u64, 0, MAX_CHUNK as u64),
        };
        if size > MAX_SLICE {
            return Err(invalid(format!(
                "Requested slice too large: {size} > {MAX_SLICE}"
            )));
        }
        self.charge_instructions(id, SNAPSHOT_DATA + size, &request.sender)
            .map_err(snapshot_unpaid)?;
        check_slice(length, offset, size)?;
        let mut chunk = vec![0; size as usize];
        match args.kind {
            WasmModule { .. } => {
                chunk.copy_from_slice(&snapshot.module()[offset as usize..][..size as usize]);
            }
            WasmMemory { .. } => heap.read(initial, offset, &mut chunk),
            StableMemory { .. } => snapshot.stable.read(offset, &mut chunk),
            WasmChunk { hash } => {
                let name = <[u8; 32]>::try_from(hash.as_slice()).map_err(|_| {
                    chunk_error(format!("Bytes {hash:02x?} are not a valid WasmChunkHash."))
                })?;
                let found = snapshot
                    .chunks
                    .get(&name)
                    .ok_or_else(|| chunk_error(format!("WasmChunkHash {hash:02x?} not found.")))?;
                chunk = found.to_vec();
            }
        }
        reply((types::ReadCanisterSnapshotDataResult { chunk },))
    }

    pub(crate) fn upload_snapshot_metadata(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::UploadCanisterSnapshotMetadataArgs,)>(request)?;
        let id = args.canister_id;
        let taken_at = self.time;
        let version = self.require_controlled(id, request)?.version;
        check_metadata(&args).map_err(bad_metadata)?;
        let replaced = args.replace_snapshot.as_deref();
        let globals = args.globals.into_iter().map(from_global);
        let globals = globals.collect::<Result<Vec<_>, _>>()?;
        let mut stable = Stable::default();
        if stable.grow(args.stable_memory_size / WASM_PAGE).is_none() {
            return Err(bad_metadata("the stable memory is too large".into()));
        }
        self.check_snapshot_limit(id, replaced)?;
        let snapshot = Snapshot {
            taken_at,
            version,
            bytes: args.wasm_module_size
                + args.wasm_memory_size
                + args.stable_memory_size
                + args.certified_data.len() as u64
                + (globals.len() * GLOBAL_BYTES) as u64,
            program: SnapshotCode::Uploaded(Upload {
                module: Arc::new(vec![0; args.wasm_module_size as usize]),
                heap: Heap::fresh(args.wasm_memory_size / WASM_PAGE),
                globals,
            }),
            stable,
            certified_data: args.certified_data,
            timer: args.global_timer,
            low_memory: args
                .on_low_wasm_memory_hook_status
                .map(|status| match status {
                    Hook::ConditionNotSatisfied => LowMemory::Enough,
                    Hook::Ready => LowMemory::Ready,
                    Hook::Executed => LowMemory::Executed,
                }),
            loaded: false,
            chunks: BTreeMap::new(),
        };
        let snapshot_id = self.store_snapshot(id, snapshot, replaced, false, request)?;
        reply((types::UploadCanisterSnapshotMetadataResult { snapshot_id },))
    }

    pub(crate) fn upload_snapshot_data(&mut self, request: &Request) -> ManagementResult {
        use types::SnapshotDataOffset::{StableMemory, WasmChunk, WasmMemory, WasmModule};
        let (args,) = decode::<(UploadDataArgs,)>(request)?;
        let id = args.canister_id;
        self.require_controlled(id, request)?;
        let snapshot = self.snapshot(id, &args.snapshot_id)?;
        let upload = match &snapshot.program {
            SnapshotCode::Uploaded(upload) if !snapshot.loaded => upload,
            _ => {
                let why = "Only canister snapshots created by metadata upload can be mutated, and \
                           only until they are loaded.";
                return Err(Reject::new(RejectCode::CanisterReject, 409, why));
            }
        };
        let size = args.chunk.len() as u64;
        let (length, offset, work) = match args.kind {
            WasmModule { offset } => (upload.module.len() as u64, offset, size),
            WasmMemory { offset } => (upload.heap.size * WASM_PAGE, offset, size),
            StableMemory { offset } => (snapshot.stable.bytes(), offset, size),
            WasmChunk => (size, 0, MAX_CHUNK as u64),
        };
        self.charge_instructions(id, work, &request.sender)
            .map_err(snapshot_unpaid)?;
        check_slice(length, offset, size)?;
        let mut changed = Snapshot::clone(&snapshot);
        drop(snapshot);
        let SnapshotCode::Uploaded(upload) = &mut changed.program else {
            return reply(());
        };
        match args.kind {
            WasmModule { .. } => {
                let module = Arc::make_mut(&mut upload.module);
                module[offset as usize..][..args.chunk.len()].copy_from_slice(&args.chunk);
            }
            WasmMemory { .. } => upload.heap.write(offset, &args.chunk),
            StableMemory { .. } => changed.stable.write(offset, &args.chunk),
            WasmChunk => {
                let chunk = args.chunk.into_vec();
                let hash = check_chunk(&changed.chunks, &chunk)?;
                if changed.chunks.insert(hash, Arc::new(chunk)).is_none() {
                    changed.bytes += MAX_CHUNK as u64;
                }
            }
        }
        let canister = self.require_canister(id)?;
        let mut draft = Canister::clone(canister);
        draft
            .snapshots
            .insert(args.snapshot_id.into_vec(), Arc::new(changed));
        if matches!(args.kind, WasmChunk) {
            self.check_can_grow(canister, &draft)?;
        }
        self.commit_draft(draft, 0);
        reply(())
    }
}

impl Snapshot {
    /// The module as it was installed.
    fn module(&self) -> &[u8] {
        match &self.program {
            SnapshotCode::Taken(code) => &code.module.bytes,
            SnapshotCode::Uploaded(upload) => &upload.module,
        }
    }

    fn globals(&self) -> &[Global] {
        match &self.program {
            SnapshotCode::Taken(code) => &code.globals,
            SnapshotCode::Uploaded(upload) => &upload.globals,
        }
    }

    /// The heap, and the initial memory from which it differs.
    fn heap(&self) -> (&Heap, &Pages) {
        static NOTHING: Pages = Pages::new();
        match &self.program {
            SnapshotCode::Taken(code) => (&code.heap, &code.module.initial),
            SnapshotCode::Uploaded(upload) => (&upload.heap, &NOTHING),
        }
    }
}

fn check_slice(length: u64, offset: u64, size: u64) -> Result<(), Reject> {
    if offset.saturating_add(size) > length {
        return Err(invalid(format!(
            "Invalid subslice into wasm module / main memory / stable memory: offset: {offset}, \
             size: {size}"
        )));
    }
    Ok(())
}

fn bad_metadata(why: String) -> Reject {
    invalid(format!("Snapshot Metadata contains invalid data: {why}"))
}

fn check_metadata(args: &types::UploadCanisterSnapshotMetadataArgs) -> Result<(), String> {
    let limits = [
        ("Wasm module", args.wasm_module_size, MAX_MODULE),
        ("Wasm memory", args.wasm_memory_size, MAX_HEAP),
        ("globals", args.globals.len() as u64, MAX_GLOBALS as u64),
        (
            "certified data",
            args.certified_data.len() as u64,
            MAX_CERTIFIED_DATA as u64,
        ),
    ];
    if let Some((what, size, most)) = limits.into_iter().find(|(_, size, most)| size > most) {
        return Err(format!("the size {size} of the {what} exceeds {most}"));
    }
    if args.wasm_module_size == 0 {
        return Err("the Wasm module is empty".into());
    }
    for (what, size) in [
        ("Wasm memory", args.wasm_memory_size),
        ("stable memory", args.stable_memory_size),
    ] {
        if size % WASM_PAGE != 0 {
            return Err(format!(
                "the size {size} of the {what} is no multiple of a page"
            ));
        }
    }
    Ok(())
}

fn to_global(number: Global) -> types::SnapshotMetadataGlobal {
    use types::SnapshotMetadataGlobal as MetadataGlobal;
    match number {
        Global::I32(value) => MetadataGlobal::I32(value),
        Global::I64(value) => MetadataGlobal::I64(value),
        Global::F32(bits) => MetadataGlobal::F32(f32::from_bits(bits)),
        Global::F64(bits) => MetadataGlobal::F64(f64::from_bits(bits)),
        Global::V128(bits) => MetadataGlobal::V128(Nat::from(bits)),
    }
}

fn from_global(global: types::SnapshotMetadataGlobal) -> Result<Global, Reject> {
    use types::SnapshotMetadataGlobal as MetadataGlobal;
    Ok(match global {
        MetadataGlobal::I32(value) => Global::I32(value),
        MetadataGlobal::I64(value) => Global::I64(value),
        MetadataGlobal::F32(value) => Global::F32(value.to_bits()),
        MetadataGlobal::F64(value) => Global::F64(value.to_bits()),
        MetadataGlobal::V128(value) => Global::V128(number(value, "globals")?),
    })
}
