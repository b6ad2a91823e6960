//! Download and upload of snapshots: permissions, pieces, and the canisters that load them.

use candid::{Nat, Principal, Reserved};
use canic_replica::Reject;
use ic_management_canister_types::{
    self as types, SnapshotDataKind as Kind, SnapshotDataOffset as Offset,
    SnapshotMetadataGlobal as Global,
};
use sha2::{Digest, Sha256};

use crate::common::{CALLER, Net, T, canister, encode, record};

/// A canister whose `fill` gives each part of a snapshot a value of its own.
const FULL: &str = r#"
    (global $small (mut i32) (i32.const 1))
    (global $large (mut i64) (i64.const 2))
    (global $float (mut f64) (f64.const 0.5))
    (global $fixed i32 (i32.const 7))
    (data (i32.const 50000) "initial")
    (func (export "canister_update fill")
        (global.set $small (i32.const 11))
        (i32.store8 (i32.const 50000) (i32.const 73))
        (drop (memory.grow (i32.const 1)))
        (i32.store8 (i32.const 131071) (i32.const 9))
        (drop (call $stable64_grow (i64.const 2)))
        (call $stable64_write (i64.const 65530) (i64.const 50000) (i64.const 7))
        (call $certified_data_set (i32.const 50000) (i32.const 3))
        (drop (call $global_timer_set (i64.const 1700000000000000000)))
        (call $reply (i32.const 0)))
    (func (export "canister_query small") (call $reply (global.get $small)))
    (func (export "canister_query word") (call $answer (i32.const 50000) (i32.const 7)))
    (func (export "canister_query last") (call $reply (i32.load8_u (i32.const 131071))))
"#;

pub(crate) fn take(net: &mut Net, canister_id: Principal) -> Vec<u8> {
    let args = types::TakeCanisterSnapshotArgs {
        canister_id,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    let (snapshot,) = net
        .manage::<(types::Snapshot,)>("take_canister_snapshot", (args,))
        .unwrap();
    snapshot.id
}

pub(crate) fn load(
    net: &mut Net,
    canister_id: Principal,
    snapshot_id: &[u8],
) -> Result<(), Reject> {
    let args = types::LoadCanisterSnapshotArgs {
        canister_id,
        snapshot_id: snapshot_id.to_vec(),
        sender_canister_version: None,
    };
    net.manage("load_canister_snapshot", (args,))
}

fn metadata_as(
    net: &mut Net,
    sender: Principal,
    canister_id: Principal,
    snapshot_id: &[u8],
) -> Result<types::ReadCanisterSnapshotMetadataResult, Reject> {
    let args = types::ReadCanisterSnapshotMetadataArgs {
        canister_id,
        snapshot_id: snapshot_id.to_vec(),
    };
    let read = "read_canister_snapshot_metadata";
    net.manage_as::<(types::ReadCanisterSnapshotMetadataResult,)>(sender, read, (args,))
        .map(|(metadata,)| metadata)
}

pub(crate) fn metadata(
    net: &mut Net,
    id: Principal,
    snapshot: &[u8],
) -> types::ReadCanisterSnapshotMetadataResult {
    let admin = net.admin;
    metadata_as(net, admin, id, snapshot).unwrap()
}

pub(crate) fn read(
    net: &mut Net,
    canister_id: Principal,
    snapshot_id: &[u8],
    kind: Kind,
) -> Result<Vec<u8>, Reject> {
    let args = types::ReadCanisterSnapshotDataArgs {
        canister_id,
        snapshot_id: snapshot_id.to_vec(),
        kind,
    };
    net.manage::<(types::ReadCanisterSnapshotDataResult,)>("read_canister_snapshot_data", (args,))
        .map(|(result,)| result.chunk)
}

pub(crate) fn write(
    net: &mut Net,
    canister_id: Principal,
    snapshot_id: &[u8],
    kind: Offset,
    chunk: &[u8],
) -> Result<(), Reject> {
    let args = types::UploadCanisterSnapshotDataArgs {
        canister_id,
        snapshot_id: snapshot_id.to_vec(),
        kind,
        chunk: chunk.to_vec(),
    };
    net.manage("upload_canister_snapshot_data", (args,))
}

/// Uploads the metadata of a snapshot and its module.
pub(crate) fn upload_with(
    net: &mut Net,
    args: types::UploadCanisterSnapshotMetadataArgs,
    module: &[u8],
) -> Vec<u8> {
    let id = args.canister_id;
    let copy = upload(net, args).unwrap();
    write(net, id, &copy, Offset::WasmModule { offset: 0 }, module).unwrap();
    copy
}

/// The arguments that begin an upload with this metadata.
pub(crate) fn upload_args(
    canister_id: Principal,
    metadata: types::ReadCanisterSnapshotMetadataResult,
) -> types::UploadCanisterSnapshotMetadataArgs {
    types::UploadCanisterSnapshotMetadataArgs {
        canister_id,
        replace_snapshot: None,
        wasm_module_size: metadata.wasm_module_size,
        globals: metadata.globals.into_iter().flatten().collect(),
        wasm_memory_size: metadata.wasm_memory_size,
        stable_memory_size: metadata.stable_memory_size,
        certified_data: metadata.certified_data,
        global_timer: metadata.global_timer,
        on_low_wasm_memory_hook_status: metadata.on_low_wasm_memory_hook_status,
    }
}

fn upload(
    net: &mut Net,
    args: types::UploadCanisterSnapshotMetadataArgs,
) -> Result<Vec<u8>, Reject> {
    net.manage::<(types::UploadCanisterSnapshotMetadataResult,)>(
        "upload_canister_snapshot_metadata",
        (args,),
    )
    .map(|(result,)| result.snapshot_id)
}

/// The contents of a snapshot: metadata, module, heap, stable memory.
type Whole = (
    types::ReadCanisterSnapshotMetadataResult,
    Vec<u8>,
    Vec<u8>,
    Vec<u8>,
);

fn download(net: &mut Net, id: Principal, snapshot: &[u8]) -> Whole {
    let metadata = metadata(net, id, snapshot);
    let offset = 0;
    let size = metadata.wasm_module_size;
    let module = read(net, id, snapshot, Kind::WasmModule { offset, size }).unwrap();
    let size = metadata.wasm_memory_size;
    let heap = read(net, id, snapshot, Kind::WasmMemory { offset, size }).unwrap();
    let size = metadata.stable_memory_size;
    let stable = read(net, id, snapshot, Kind::StableMemory { offset, size }).unwrap();
    (metadata, module, heap, stable)
}

/// A filled canister, and a snapshot of it.
fn filled_canister(net: &mut Net) -> (Principal, Vec<u8>) {
    let id = net.install(FULL);
    net.update(id, "fill", &[]).unwrap();
    let snapshot = take(net, id);
    (id, snapshot)
}

#[test]
fn all_of_a_snapshot_can_be_read() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let version = net.status(id).version;
    let (metadata, module, heap, stable) = download(&mut net, id, &snapshot);
    assert_eq!(module, canister(FULL));
    assert_eq!(heap.len(), 2 * 65_536);
    assert_eq!((&heap[50_000..50_007], heap[131_071]), (&b"Initial"[..], 9));
    assert_eq!(stable.len(), 2 * 65_536);
    assert_eq!(&stable[65_530..65_537], b"Initial");
    assert!(matches!(
        metadata.globals[..],
        [
            Some(Global::I32(11)),
            Some(Global::I64(2)),
            Some(Global::F64(0.5))
        ]
    ));
    assert_eq!(metadata.certified_data, b"Ini");
    assert_eq!(
        metadata.source,
        Some(types::SnapshotSource::TakenFromCanister(Reserved))
    );
    assert_eq!(metadata.canister_version, version);
    assert!(matches!(
        metadata.global_timer,
        Some(types::CanisterTimer::Active(1_700_000_000_000_000_000))
    ));
}

#[test]
fn a_snapshot_can_be_read_before_the_first_message() {
    let mut net = Net::new();
    let id = net.install(FULL);
    let snapshot = take(&mut net, id);
    let metadata = metadata(&mut net, id, &snapshot);
    assert!(matches!(metadata.globals[0], Some(Global::I32(1))));
    let kind = Kind::WasmMemory {
        offset: 49_999,
        size: 9,
    };
    assert_eq!(read(&mut net, id, &snapshot, kind).unwrap(), b"\0initial\0");
}

/// Uploads the module and the memories of a snapshot, the heap in two pieces and the second first.
fn write_pieces(net: &mut Net, id: Principal, copy: &[u8], (_, module, heap, stable): &Whole) {
    let (first, second) = heap.split_at(70_000);
    let mut write = |kind, piece: &[u8]| write(net, id, copy, kind, piece).unwrap();
    write(Offset::WasmMemory { offset: 70_000 }, second);
    write(Offset::WasmMemory { offset: 0 }, first);
    write(Offset::WasmModule { offset: 0 }, module);
    write(Offset::StableMemory { offset: 0 }, stable);
}

#[test]
fn an_uploaded_snapshot_can_be_loaded_into_another_canister() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let chunk = b"a chunk".to_vec();
    let args = types::UploadChunkArgs {
        canister_id: id,
        chunk: chunk.clone(),
    };
    net.manage::<(types::ChunkHash,)>("upload_chunk", (args,))
        .unwrap();
    let whole = download(&mut net, id, &snapshot);
    let other = net.create(100 * T);
    let copy = upload(&mut net, upload_args(other, whole.0.clone())).unwrap();
    write_pieces(&mut net, other, &copy, &whole);
    write(&mut net, other, &copy, Offset::WasmChunk, &chunk).unwrap();
    let hash = Sha256::digest(&chunk).to_vec();
    let kind = Kind::WasmChunk { hash: hash.clone() };
    assert_eq!(read(&mut net, other, &copy, kind).unwrap(), chunk);
    let uploaded = download(&mut net, other, &copy);
    assert_eq!(
        (&uploaded.1, &uploaded.2, &uploaded.3),
        (&whole.1, &whole.2, &whole.3)
    );
    assert_eq!(
        uploaded.0.source,
        Some(types::SnapshotSource::MetadataUpload(Reserved))
    );
    assert_eq!(uploaded.0.wasm_chunk_store[0].hash, hash);
    load(&mut net, other, &copy).unwrap();
    assert_eq!(net.number(other, "small"), 11);
    assert_eq!(net.query(other, "word", &[]).unwrap(), b"Initial");
    assert_eq!(net.number(other, "last"), 9);
    assert_eq!(net.replica.stable_memory(other).unwrap(), whole.3);
    let (chunks,) = net
        .manage::<(Vec<types::ChunkHash>,)>("stored_chunks", record(other))
        .unwrap();
    assert_eq!(chunks[0].hash, hash);
    // Loading the snapshot sets the timer, too.
    let again = take(&mut net, other);
    assert!(matches!(
        metadata(&mut net, other, &again).global_timer,
        Some(types::CanisterTimer::Active(1_700_000_000_000_000_000))
    ));
}

#[test]
fn zeros_that_overwrote_initial_data_stay_zeros() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let (metadata, module, ..) = download(&mut net, id, &snapshot);
    let copy = upload_with(&mut net, upload_args(id, metadata), &module);
    load(&mut net, id, &copy).unwrap();
    assert_eq!(net.query(id, "word", &[]).unwrap(), [0; 7]);
}

#[test]
fn reads_and_writes_beyond_a_snapshot_are_refused() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let kinds = [
        Kind::WasmMemory {
            offset: 131_072,
            size: 1,
        },
        Kind::StableMemory {
            offset: u64::MAX,
            size: 2,
        },
        Kind::WasmModule {
            offset: 0,
            size: 2_000_001,
        },
    ];
    let texts = [
        "Invalid subslice into wasm module / main memory / stable memory: offset: 131072, size: 1",
        "Invalid subslice into wasm module / main memory / stable memory: offset: \
         18446744073709551615, size: 2",
        "Requested slice too large: 2000001 > 2000000",
    ];
    for (kind, text) in kinds.into_iter().zip(texts) {
        let reject = read(&mut net, id, &snapshot, kind).unwrap_err();
        assert_eq!((&*reject.error_code, &*reject.message), ("IC0408", text));
    }
    let unknown = Kind::WasmChunk { hash: vec![0; 32] };
    assert_eq!(
        read(&mut net, id, &snapshot, unknown)
            .unwrap_err()
            .error_code,
        "IC0504"
    );
    // A snapshot that was taken from a canister cannot be written.
    let reject = write(
        &mut net,
        id,
        &snapshot,
        Offset::WasmMemory { offset: 0 },
        &[1],
    )
    .unwrap_err();
    assert_eq!(reject.error_code, "IC0409");
    let metadata = metadata(&mut net, id, &snapshot);
    let copy = upload(&mut net, upload_args(id, metadata)).unwrap();
    let reject = write(
        &mut net,
        id,
        &copy,
        Offset::StableMemory { offset: 131_072 },
        &[1],
    )
    .unwrap_err();
    assert_eq!(reject.error_code, "IC0408");
    let reject = read(
        &mut net,
        id,
        b"no such",
        Kind::WasmModule { offset: 0, size: 1 },
    )
    .unwrap_err();
    assert_eq!(reject.error_code, "IC0305");
}

/// Arguments that are each invalid in one field, made of good ones.
fn invalid_uploads(
    good: impl Fn() -> types::UploadCanisterSnapshotMetadataArgs,
) -> [types::UploadCanisterSnapshotMetadataArgs; 9] {
    [
        types::UploadCanisterSnapshotMetadataArgs {
            wasm_module_size: 0,
            ..good()
        },
        types::UploadCanisterSnapshotMetadataArgs {
            wasm_module_size: (100 << 20) + 1,
            ..good()
        },
        types::UploadCanisterSnapshotMetadataArgs {
            wasm_memory_size: 65_537,
            ..good()
        },
        types::UploadCanisterSnapshotMetadataArgs {
            wasm_memory_size: (6 << 30) + 65_536,
            ..good()
        },
        types::UploadCanisterSnapshotMetadataArgs {
            stable_memory_size: 1,
            ..good()
        },
        types::UploadCanisterSnapshotMetadataArgs {
            stable_memory_size: 501 << 30,
            ..good()
        },
        types::UploadCanisterSnapshotMetadataArgs {
            certified_data: vec![0; 33],
            ..good()
        },
        types::UploadCanisterSnapshotMetadataArgs {
            globals: vec![Global::I32(0); 1_001],
            ..good()
        },
        types::UploadCanisterSnapshotMetadataArgs {
            globals: vec![Global::V128(Nat::from(u128::MAX) + 1_u8)],
            ..good()
        },
    ]
}

#[test]
fn invalid_metadata_is_refused() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let metadata = metadata(&mut net, id, &snapshot);
    let good = || upload_args(id, metadata.clone());
    for (index, args) in invalid_uploads(good).into_iter().enumerate() {
        assert_eq!(
            upload(&mut net, args).unwrap_err().error_code,
            "IC0408",
            "case {index}"
        );
    }
    let (list,) = net
        .manage::<(Vec<types::Snapshot>,)>("list_canister_snapshots", record(id))
        .unwrap();
    assert_eq!(list.len(), 1);
    // A snapshot to replace must exist, and a canister has ten snapshots at most.
    let replace = |name: &[u8]| types::UploadCanisterSnapshotMetadataArgs {
        replace_snapshot: Some(name.to_vec()),
        ..good()
    };
    assert_eq!(
        upload(&mut net, replace(b"no such"))
            .unwrap_err()
            .error_code,
        "IC0305"
    );
    let copy = upload(&mut net, replace(&snapshot)).unwrap();
    assert_eq!(
        load(&mut net, id, &snapshot).unwrap_err().error_code,
        "IC0305"
    );
    for _ in 0..9 {
        upload(&mut net, good()).unwrap();
    }
    assert_eq!(upload(&mut net, good()).unwrap_err().error_code, "IC0406");
    upload(&mut net, replace(&copy)).unwrap();
}

#[test]
fn an_inconsistent_snapshot_is_not_loaded() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let (metadata, module, ..) = download(&mut net, id, &snapshot);
    // The module is not uploaded yet.
    let copy = upload(&mut net, upload_args(id, metadata.clone())).unwrap();
    assert_eq!(load(&mut net, id, &copy).unwrap_err().error_code, "IC0505");
    let mut no_global = upload_args(id, metadata.clone());
    no_global.globals.pop();
    let mut other_global = upload_args(id, metadata.clone());
    other_global.globals[0] = Global::F32(1.0);
    let mut no_memory = upload_args(id, metadata);
    no_memory.wasm_memory_size = 0;
    let mut wide_memory = no_memory.clone();
    wide_memory.wasm_memory_size = (4 << 30) + 65_536;
    for args in [no_global, other_global, no_memory, wide_memory] {
        let copy = upload_with(&mut net, args, &module);
        assert_eq!(load(&mut net, id, &copy).unwrap_err().error_code, "IC0408");
    }
    assert_eq!(net.number(id, "small"), 11);
}

#[test]
fn only_controllers_move_snapshots() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let metadata = metadata(&mut net, id, &snapshot);
    let stranger = Principal::self_authenticating("stranger");
    let reject = metadata_as(&mut net, stranger, id, &snapshot).unwrap_err();
    assert_eq!(reject.error_code, "IC0512");
    let reject = net
        .manage_as::<(types::UploadCanisterSnapshotMetadataResult,)>(
            stranger,
            "upload_canister_snapshot_metadata",
            (upload_args(id, metadata),),
        )
        .unwrap_err();
    assert_eq!(reject.error_code, "IC0512");
}

#[test]
fn a_snapshot_of_one_canister_can_be_loaded_into_another() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let other = net.create(100 * T);
    load(&mut net, other, &snapshot).unwrap();
    assert_eq!(net.number(other, "small"), 11);
    // A controller of the target alone may not.
    let stranger = Principal::self_authenticating("stranger");
    let args = types::UpdateSettingsArgs {
        canister_id: id,
        settings: types::CanisterSettings {
            controllers: Some(vec![stranger]),
            ..Default::default()
        },
        sender_canister_version: None,
    };
    net.manage::<()>("update_settings", (args,)).unwrap();
    let reject = load(&mut net, other, &snapshot).unwrap_err();
    assert_eq!(reject.error_code, "IC0406");
    assert!(
        reject
            .message
            .contains("Only a controller of the canister that snapshot")
    );
}

/// dfinity/ic#11029.
#[test]
fn an_uploaded_snapshot_cannot_be_changed_once_a_canister_loaded_it() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let (metadata, module, ..) = download(&mut net, id, &snapshot);
    for target in [id, net.create(100 * T)] {
        let copy = upload_with(&mut net, upload_args(id, metadata.clone()), &module);
        let offset = Offset::WasmMemory { offset: 0 };
        write(&mut net, id, &copy, offset, b"before").unwrap();
        load(&mut net, target, &copy).unwrap();
        for kind in [
            Offset::WasmModule { offset: 0 },
            Offset::WasmMemory { offset: 0 },
            Offset::StableMemory { offset: 0 },
            Offset::WasmChunk,
        ] {
            let reject = write(&mut net, id, &copy, kind, b"after").unwrap_err();
            assert_eq!(reject.error_code, "IC0409");
        }
        // It can be loaded again, and read.
        load(&mut net, target, &copy).unwrap();
        let kind = Kind::WasmMemory { offset: 0, size: 6 };
        assert_eq!(read(&mut net, id, &copy, kind).unwrap(), b"before");
    }
    // A load that fails leaves it as it is.
    let copy = upload(&mut net, upload_args(id, metadata)).unwrap();
    load(&mut net, id, &copy).unwrap_err();
    let offset = Offset::WasmModule { offset: 0 };
    write(&mut net, id, &copy, offset, &module).unwrap();
    load(&mut net, id, &copy).unwrap();
}

/// Interface specification 0.54, `take_canister_snapshot`.
#[test]
fn a_snapshot_can_be_taken_and_the_code_uninstalled_in_one_step() {
    let mut net = Net::new();
    let (id, _) = filled_canister(&mut net);
    let version = net.status(id).version;
    let args = types::TakeCanisterSnapshotArgs {
        canister_id: id,
        replace_snapshot: None,
        uninstall_code: Some(true),
        sender_canister_version: None,
    };
    let taken = net.manage::<(types::Snapshot,)>("take_canister_snapshot", (args,));
    let snapshot = taken.unwrap().0.id;
    let status = net.status(id);
    assert_eq!((status.module_hash, status.version), (None, version + 1));
    assert_eq!(status.memory_metrics.stable_memory_size, 0_u8);
    assert_eq!(
        net.query(id, "small", &[]).unwrap_err().error_code,
        "IC0537"
    );
    let caller = net.install(CALLER);
    let args = types::CanisterInfoArgs {
        canister_id: id,
        num_requested_changes: Some(1),
    };
    let (_, reply) = net.call_through(caller, "canister_info", 0, &encode(args));
    let (info,): (types::CanisterInfoResult,) = candid::decode_args(&reply.unwrap()).unwrap();
    let last = info.recent_changes[0].details.clone();
    assert_eq!(last, Some(types::ChangeDetails::CodeUninstall));
    load(&mut net, id, &snapshot).unwrap();
    assert_eq!(net.number(id, "small"), 11);
}

/// Interface specification 0.46 and 0.50, `canister_info`.
#[test]
fn the_history_names_the_source_of_a_loaded_snapshot() {
    let mut net = Net::new();
    let caller = net.install(CALLER);
    let (id, taken) = filled_canister(&mut net);
    let other = net.create(100 * T);
    let (metadata, module, ..) = download(&mut net, id, &taken);
    let copy = upload_with(&mut net, upload_args(id, metadata), &module);
    let mut last = |target: Principal, snapshot: &[u8]| {
        load(&mut net, target, snapshot).unwrap();
        let args = types::CanisterInfoArgs {
            canister_id: target,
            num_requested_changes: Some(1),
        };
        let (_, reply) = net.call_through(caller, "canister_info", 0, &encode(args));
        let (info,): (types::CanisterInfoResult,) = candid::decode_args(&reply.unwrap()).unwrap();
        match info.recent_changes[0].details.clone() {
            Some(types::ChangeDetails::LoadSnapshot(record)) => {
                (record.snapshot_id, record.source, record.from_canister_id)
            }
            other => panic!("{other:?}"),
        }
    };
    let from_canister = types::SnapshotSource::TakenFromCanister(Reserved);
    let from_upload = types::SnapshotSource::MetadataUpload(Reserved);
    assert_eq!(
        last(id, &taken),
        (taken.clone(), from_canister.clone(), None)
    );
    assert_eq!(
        last(other, &taken),
        (taken.clone(), from_canister, Some(id))
    );
    assert_eq!(last(id, &copy), (copy.clone(), from_upload, None));
}

#[test]
fn a_snapshot_belongs_to_one_canister_and_an_empty_one_has_none() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let other = net.create(100 * T);
    let name = hex::encode(&snapshot);
    let args = types::DeleteCanisterSnapshotArgs {
        canister_id: other,
        snapshot_id: snapshot.clone(),
    };
    let reject = net.manage::<()>("delete_canister_snapshot", (args,));
    let text = format!("The snapshot {name} does not belong to canister {other}.");
    let reject = reject.unwrap_err();
    assert_eq!((&*reject.error_code, reject.message), ("IC0406", text));
    let args = types::TakeCanisterSnapshotArgs {
        canister_id: other,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    let reject = net
        .manage::<()>("take_canister_snapshot", (args,))
        .unwrap_err();
    let text = format!("Failed to create snapshot for empty canister {other}:");
    assert_eq!((&*reject.error_code, reject.message), ("IC0406", text));
    assert_eq!(
        metadata(&mut net, id, &snapshot).stable_memory_size,
        131_072
    );
}

#[test]
fn a_timer_survives_loading_a_snapshot_unless_an_upload_deactivates_it() {
    let mut net = Net::new();
    let (id, before) = filled_canister(&mut net);
    let timer = |net: &mut Net| {
        let now = take(net, id);
        match metadata(net, id, &now).global_timer {
            Some(types::CanisterTimer::Active(at)) => Some(at),
            Some(types::CanisterTimer::Inactive) | None => None,
        }
    };
    let active = Some(1_700_000_000_000_000_000);
    load(&mut net, id, &before).unwrap();
    assert_eq!(timer(&mut net), active);
    let (metadata, module, ..) = download(&mut net, id, &before);
    for (uploaded, then) in [(None, active), (Some(types::CanisterTimer::Inactive), None)] {
        let mut args = upload_args(id, metadata.clone());
        args.global_timer = uploaded;
        let copy = upload_with(&mut net, args, &module);
        load(&mut net, id, &copy).unwrap();
        assert_eq!(timer(&mut net), then);
    }
}

#[test]
fn a_hook_status_that_does_not_fit_the_memory_is_refused() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let (metadata, module, ..) = download(&mut net, id, &snapshot);
    let mut args = upload_args(id, metadata);
    args.on_low_wasm_memory_hook_status = Some(types::OnLowWasmMemoryHookStatus::Ready);
    let copy = upload_with(&mut net, args, &module);
    let reject = load(&mut net, id, &copy).unwrap_err();
    let text = "Hook status (Some(Ready)) of uploaded snapshot is inconsistent with the canister's \
                state (hook condition satisfied: false).";
    assert_eq!((&*reject.error_code, &*reject.message), ("IC0408", text));
}

#[test]
fn a_snapshot_that_would_freeze_its_canister_is_refused() {
    let mut net = Net::new();
    let (id, snapshot) = filled_canister(&mut net);
    let metadata = metadata(&mut net, id, &snapshot);
    let mut huge = upload_args(id, metadata);
    huge.stable_memory_size = 500 << 30;
    let reject = upload(&mut net, huge.clone()).unwrap_err();
    assert_eq!(reject.error_code, "IC0532");
    net.replica.add_cycles(id, 1_000 * T).unwrap();
    upload(&mut net, huge).unwrap();
}
