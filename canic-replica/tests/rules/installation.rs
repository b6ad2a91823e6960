//! Installation, upgrade, reinstallation and removal of code.

use std::io::Write;

use candid::Principal;
use canic_replica::{Config, Kind, Outcome, Reject, Replica};
use ic_management_canister_types::{
    self as types,
    CanisterInstallMode::{Install, Reinstall, Upgrade},
};
use sha2::{Digest, Sha256};

use crate::common::{Net, T, canister, record};

/// A canister that keeps its argument's first byte in a global and in stable memory.
const KEEPER: &str = r#"
    (global $g (mut i32) (i32.const 0))
    (func $init
        (drop (call $argument))
        (global.set $g (i32.load8_u (i32.const 1000))))
    (func (export "canister_init")
        (call $init)
        (drop (call $stable64_grow (i64.const 1)))
        (call $stable64_write (i64.const 70) (i64.const 1000) (i64.const 1)))
    (func (export "canister_pre_upgrade")
        (i32.store8 (i32.const 800) (i32.const 5))
        (call $stable64_write (i64.const 71) (i64.const 800) (i64.const 1)))
    (func (export "canister_post_upgrade") (call $init))
    (func (export "canister_query global") (call $reply (global.get $g)))
    (func (export "canister_query stable")
        (if (i64.eqz (call $stable64_size)) (then (call $reply (i32.const 0)) (return)))
        (call $stable64_read (i64.const 900) (i64.const 70) (i64.const 4))
        (call $reply (i32.load (i32.const 900))))
"#;

fn state(net: &mut Net, id: Principal) -> (u32, u32) {
    (net.number(id, "global"), net.number(id, "stable"))
}

#[test]
fn init_gets_the_argument() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    net.install_as(Install, id, canister(KEEPER), &[3]).unwrap();
    assert_eq!(state(&mut net, id), (3, 3));
}

#[test]
fn an_upgrade_keeps_stable_memory_and_a_reinstall_wipes_it() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    net.install_as(Install, id, canister(KEEPER), &[3]).unwrap();
    net.install_as(Upgrade(None), id, canister(KEEPER), &[4])
        .unwrap();
    assert_eq!(state(&mut net, id), (4, 3 + 5 * 256));
    let skip = types::UpgradeFlags {
        skip_pre_upgrade: Some(true),
        wasm_memory_persistence: None,
    };
    let plain = canister(
        "(func (export \"canister_update grow\") (drop (call $stable64_grow (i64.const 1))))",
    );
    net.install_as(Reinstall, id, plain, &[]).unwrap();
    assert_eq!(net.replica.stable_memory(id).unwrap().len(), 0);
    net.install_as(Reinstall, id, canister(KEEPER), &[6])
        .unwrap();
    net.install_as(Upgrade(Some(skip)), id, canister(KEEPER), &[7])
        .unwrap();
    assert_eq!(state(&mut net, id), (7, 6));
}

#[test]
fn an_upgrade_may_keep_the_heap() {
    let module = |data: &str| {
        canister(&format!(
            r#"(@custom "icp:private enhanced-orthogonal-persistence" "")
            (data (i32.const 0) "{data}")
            (func (export "canister_update write")
                (i32.store (i32.const 30000) (i32.const 9)) (call $reply (i32.const 0)))
            (func (export "canister_query heap") (call $reply (i32.load (i32.const 0))))
            (func (export "canister_query far") (call $reply (i32.load (i32.const 30000))))"#
        ))
    };
    let mut net = Net::new();
    let id = net.create(100 * T);
    let keep = types::UpgradeFlags {
        skip_pre_upgrade: None,
        wasm_memory_persistence: Some(types::WasmMemoryPersistence::Keep),
    };
    net.install_as(Install, id, module("\\01\\00\\00\\00"), &[])
        .unwrap();
    net.update(id, "write", &[]).unwrap();
    net.install_as(Upgrade(Some(keep)), id, module("\\02\\00\\00\\00"), &[])
        .unwrap();
    assert_eq!((net.number(id, "heap"), net.number(id, "far")), (1, 9));
    let unspecified = net.install_as(Upgrade(None), id, module("\\02\\00\\00\\00"), &[]);
    assert_eq!(unspecified.unwrap_err().error_code, "IC0504");
    let replace = types::UpgradeFlags {
        skip_pre_upgrade: None,
        wasm_memory_persistence: Some(types::WasmMemoryPersistence::Replace),
    };
    net.install_as(Upgrade(Some(replace)), id, module("\\02\\00\\00\\00"), &[])
        .unwrap();
    assert_eq!((net.number(id, "heap"), net.number(id, "far")), (2, 0));
}

#[test]
fn the_start_function_runs_at_installation_only() {
    let mut net = Net::new();
    let id = net.install(
        r#"
        (global $g (mut i32) (i32.const 0))
        (func $start (global.set $g (i32.add (global.get $g) (i32.const 1))))
        (start $start)
        (func (export "canister_update touch") (call $reply (global.get $g)))
        "#,
    );
    for _ in 0..3 {
        assert_eq!(net.update(id, "touch", &[]).unwrap(), [1, 0, 0, 0]);
    }
}

#[test]
fn a_failing_init_leaves_the_canister_empty_and_charged() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let before = net.replica.cycles(id).unwrap();
    let module = canister(
        r#"(data (i32.const 0) "bad owner")
        (func (export "canister_init")
            (drop (call $stable64_grow (i64.const 1))) (call $trap (i32.const 0) (i32.const 9)))"#,
    );
    let reject = net.install_as(Install, id, module, &[]).unwrap_err();
    let text =
        format!("Error from Canister {id}: Canister called `ic0.trap` with message: 'bad owner'.");
    assert_eq!(
        (reject.error_code.as_str(), reject.message),
        ("IC0503", text)
    );
    let status = net.status(id);
    assert_eq!(
        (
            status.module_hash,
            net.replica.stable_memory(id).unwrap().len()
        ),
        (None, 0)
    );
    assert!(net.replica.cycles(id).unwrap() < before);
    assert!(matches!(
        net.outcomes(Kind::Lifecycle)[..],
        [Outcome::Trap { .. }]
    ));
    // A valid module installs afterwards.
    net.install_as(Install, id, canister(KEEPER), &[1]).unwrap();
}

#[test]
fn a_failing_upgrade_leaves_the_old_code_and_its_state() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    net.install_as(Install, id, canister(KEEPER), &[3]).unwrap();
    let module = canister("(func (export \"canister_post_upgrade\") (unreachable))");
    assert_eq!(
        net.install_as(Upgrade(None), id, module, &[])
            .unwrap_err()
            .error_code,
        "IC0502"
    );
    // The writes of pre_upgrade are rolled back, too.
    assert_eq!(state(&mut net, id), (3, 3));
}

#[test]
fn a_canister_with_code_takes_no_second_install_and_an_empty_one_no_upgrade() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let reject = net
        .install_as(Upgrade(None), id, canister(KEEPER), &[])
        .unwrap_err();
    assert_eq!(reject.error_code, "IC0537");
    net.install_as(Install, id, canister(KEEPER), &[]).unwrap();
    assert_eq!(
        net.install_as(Install, id, canister(KEEPER), &[])
            .unwrap_err()
            .error_code,
        "IC0514"
    );
}

#[test]
fn gzipped_modules_install_and_their_hash_is_that_of_the_gzip() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&canister(KEEPER)).unwrap();
    let module = gzip.finish().unwrap();
    net.install_as(Install, id, module.clone(), &[2]).unwrap();
    assert_eq!(state(&mut net, id).0, 2);
    assert_eq!(
        net.status(id).module_hash,
        Some(Sha256::digest(&module).to_vec())
    );
    let reject = net
        .install_as(Reinstall, id, module[..module.len() / 2].to_vec(), &[])
        .unwrap_err();
    assert_eq!(reject.error_code, "IC0505");
}

/// Installs a module that must be refused with this reason.
fn assert_refused(net: &mut Net, module: Vec<u8>, because: &str) {
    let id = net.create(100 * T);
    let reject = net.install_as(Install, id, module, &[]).unwrap_err();
    assert_eq!(reject.error_code, "IC0505");
    assert!(reject.message.contains(because), "{}", reject.message);
    assert_eq!(net.status(id).module_hash, None);
}

#[test]
fn bad_modules_are_refused_with_the_reason() {
    let mut net = Net::new();
    let good = canister(KEEPER);
    assert_refused(
        &mut net,
        good[..good.len() / 2].to_vec(),
        "Failed to decode wasm module",
    );
    assert_refused(
        &mut net,
        b"not wasm at all".to_vec(),
        "Failed to decode wasm module",
    );
    assert_refused(&mut net, Vec::new(), "Failed to decode wasm module");
    let refuse = |net: &mut Net, text: &str, because| {
        assert_refused(net, wat::parse_str(text).unwrap(), because)
    };
    let import = r#"(module (import "ic0" "frobnicate" (func)))"#;
    refuse(
        &mut net,
        import,
        "imports function 'frobnicate' from 'ic0' that is not exported by the runtime",
    );
    refuse(
        &mut net,
        r#"(module (import "env" "time" (func)))"#,
        "'time' from 'env'",
    );
    refuse(
        &mut net,
        r#"(module (import "ic0" "time" (func (param i32))))"#,
        "Expected input params [] for 'time', got [I32].",
    );
    refuse(
        &mut net,
        r#"(module (import "ic0" "memory" (memory 1)))"#,
        "not a function",
    );
    refuse(
        &mut net,
        "(module (memory i64 98305))",
        "98305 memory pages",
    );
    refuse(
        &mut net,
        r#"(module (func (export "canister_init") (param i32)))"#,
        "'canister_init' must take no parameters",
    );
    refuse(
        &mut net,
        r#"(module (func (export "canister_frob")))"#,
        "reserved function 'canister_frob'",
    );
    let twice =
        r#"(module (func (export "canister_update x")) (func (export "canister_query x")))"#;
    refuse(&mut net, twice, "'x' is exported twice");
    refuse(
        &mut net,
        r#"(module (func (export "replica memory")))"#,
        "may not begin with",
    );
    refuse(
        &mut net,
        "(module (memory 1) (data (i32.const 65535) \"ab\"))",
        "Failed to instantiate",
    );
    refuse(
        &mut net,
        "(module (table 2000000 funcref))",
        "2000000 table entries",
    );
}

fn upload(net: &mut Net, id: Principal, chunk: &[u8]) -> types::ChunkHash {
    let args = types::UploadChunkArgs {
        canister_id: id,
        chunk: chunk.to_vec(),
    };
    net.manage::<(types::ChunkHash,)>("upload_chunk", (args,))
        .unwrap()
        .0
}

fn install_chunks(
    net: &mut Net,
    target: Principal,
    store: Principal,
    chunks: Vec<types::ChunkHash>,
    hash: &[u8],
) -> Result<(), Reject> {
    let args = types::InstallChunkedCodeArgs {
        mode: Install,
        target_canister: target,
        store_canister: Some(store),
        chunk_hashes_list: chunks,
        wasm_module_hash: hash.to_vec(),
        arg: vec![8],
        sender_canister_version: None,
    };
    net.manage("install_chunked_code", (args,))
}

#[test]
fn modules_install_from_chunks_of_another_canister() {
    let mut net = Net::new();
    let (store, target) = (net.create(100 * T), net.create(100 * T));
    let module = canister(KEEPER);
    let hash = Sha256::digest(&module);
    let (a, b) = module.split_at(100);
    let chunks = vec![upload(&mut net, store, a), upload(&mut net, store, b)];
    let (stored,) = net
        .manage::<(Vec<types::ChunkHash>,)>("stored_chunks", record(store))
        .unwrap();
    assert_eq!(stored.len(), 2);

    let wrong = install_chunks(&mut net, target, store, chunks.clone(), &[0; 32]).unwrap_err();
    assert!(
        wrong.message.contains("does not match"),
        "{}",
        wrong.message
    );
    let wrong = install_chunks(&mut net, target, target, chunks.clone(), &hash).unwrap_err();
    assert!(wrong.message.contains("was not found"), "{}", wrong.message);
    assert_eq!(net.status(target).module_hash, None);

    install_chunks(&mut net, target, store, chunks.clone(), &hash).unwrap();
    assert_eq!(state(&mut net, target).0, 8);
    net.manage::<()>("clear_chunk_store", record(store))
        .unwrap();
    let fresh = net.create(100 * T);
    assert!(install_chunks(&mut net, fresh, store, chunks, &hash).is_err());
}

#[test]
fn chunks_are_limited_in_size_and_number() {
    let mut net = Net::new();
    let id = net.create(1000 * T);
    let args = types::UploadChunkArgs {
        canister_id: id,
        chunk: vec![0; (1 << 20) + 1],
    };
    let reject = net
        .manage::<(types::ChunkHash,)>("upload_chunk", (args,))
        .unwrap_err();
    assert!(
        reject.message.contains("maximum chunk size"),
        "{}",
        reject.message
    );
    for index in 0..100 {
        upload(&mut net, id, &[index]);
    }
    let args = types::UploadChunkArgs {
        canister_id: id,
        chunk: vec![100],
    };
    let reject = net
        .manage::<(types::ChunkHash,)>("upload_chunk", (args,))
        .unwrap_err();
    assert!(
        reject.message.contains("maximum capacity"),
        "{}",
        reject.message
    );
}

#[test]
fn uninstalling_keeps_cycles_and_history_and_removes_the_rest() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    net.install_as(Install, id, canister(KEEPER), &[3]).unwrap();
    let before = net.replica.cycles(id).unwrap();
    let args = types::UninstallCodeArgs {
        canister_id: id,
        sender_canister_version: None,
    };
    net.manage::<()>("uninstall_code", (args,)).unwrap();
    let status = net.status(id);
    assert_eq!(
        (
            status.module_hash,
            net.replica.stable_memory(id).unwrap().len()
        ),
        (None, 0)
    );
    assert!(before - net.replica.cycles(id).unwrap() < T / 1000);
    assert_eq!(net.update(id, "x", &[]).unwrap_err().error_code, "IC0537");
}

#[test]
fn a_module_has_at_most_a_hundred_chunks() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let chunk = upload(&mut net, id, &[0; 1 << 20]);
    let reject = install_chunks(&mut net, id, id, vec![chunk; 50_000], &[0; 32]).unwrap_err();
    assert!(reject.message.contains("at most 100"), "{}", reject.message);
}

#[test]
fn only_modules_with_orthogonal_persistence_keep_their_heap() {
    let mut net = Net::new();
    let id = net.install(KEEPER);
    let keep = types::UpgradeFlags {
        skip_pre_upgrade: None,
        wasm_memory_persistence: Some(types::WasmMemoryPersistence::Keep),
    };
    let reject = net
        .install_as(Upgrade(Some(keep)), id, canister(KEEPER), &[])
        .unwrap_err();
    assert!(
        reject.message.contains("enhanced orthogonal persistence"),
        "{}",
        reject.message
    );
}

/// A module whose compilation takes slightly more instructions than a round takes off the debt.
/// Another `name` makes another module.
fn large(name: &str) -> Vec<u8> {
    let function = format!("(func {})", "nop ".repeat(40_000));
    let export = format!("(func (export \"{name}\"))");
    wat::parse_str(format!("(module {} {export})", function.repeat(9))).unwrap()
}

#[test]
fn large_installs_in_a_row_are_rate_limited() {
    let mut net = Net::new();
    let id = net.create(1_000 * T);
    net.install_as(Install, id, large("one"), &[]).unwrap();
    let reject = net
        .install_as(Reinstall, id, large("one"), &[])
        .unwrap_err();
    let text = format!(
        "Canister {id} is rate limited because it executed too many instructions in the previous \
         install_code messages. Please retry installation after several minutes."
    );
    assert_eq!(
        (reject.error_code.as_str(), reject.message),
        ("IC0209", text)
    );
    // Other canisters are not limited, and a round later this canister is not either.
    net.install(KEEPER);
    net.install_as(Reinstall, id, large("two"), &[]).unwrap();
    net.install_as(Reinstall, id, canister(KEEPER), &[])
        .unwrap_err();
    net.replica.tick();
    // The debt of a small install is gone after its round.
    for _ in 0..3 {
        net.install_as(Reinstall, id, canister(KEEPER), &[])
            .unwrap();
    }
}

#[test]
fn large_installs_in_a_row_are_accepted_without_the_rate_limit() {
    let replica = Replica::new(Config {
        rate_limited: false,
        ..Config::default()
    });
    let mut net = Net {
        replica: replica.unwrap(),
        admin: Principal::self_authenticating("admin"),
    };
    let id = net.create(1_000 * T);
    for name in ["one", "two"] {
        net.install_as(Reinstall, id, large(name), &[]).unwrap();
    }
}

#[test]
fn a_missing_chunk_store_and_a_short_hash_are_refused() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let nobody = Principal::from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xe0, 0x77, 0, 1, 1]);
    let subnet = net.replica.subnets()[0].id;
    let reject = install_chunks(&mut net, id, nobody, vec![], &[0; 32]).unwrap_err();
    let text = format!(
        "InstallChunkedCode Error: Store canister {nobody} was not found on subnet {subnet} of \
         target canister {id}"
    );
    assert_eq!(
        (reject.error_code.as_str(), reject.message),
        ("IC0406", text)
    );
    let reject = install_chunks(&mut net, id, id, vec![], &[0; 31]).unwrap_err();
    assert_eq!(reject.error_code, "IC0504");
}

#[test]
fn an_install_from_chunks_is_charged_for_full_chunks() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let module = wat::parse_str("(module (func))").unwrap();
    let (a, b) = module.split_at(4);
    let chunks = vec![upload(&mut net, id, a), upload(&mut net, id, b)];
    let before = net.replica.accounts().fees.execution;
    install_chunks(&mut net, id, id, chunks, &Sha256::digest(&module)).unwrap();
    let cost = net.replica.accounts().fees.execution - before;
    assert_eq!(cost, 5_000_000 + 2 * (1 << 20) + 6_000);
}

/// `dfinity/ic` rs/embedders/src/wasm_utils/validation.rs, `validate_custom_section`: sections
/// whose names do not begin with `icp:` are neither counted nor measured.
#[test]
fn only_the_custom_sections_that_the_platform_keeps_are_limited() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let mut install = |sections: String| {
        let wasm = wat::parse_str(format!("(module {sections})")).unwrap();
        net.install_as(Reinstall, id, wasm, &[]).map(drop)
    };
    let many = |prefix: &str, count: usize, bytes: usize| {
        let content = "x".repeat(bytes);
        let section = |n| format!(r#"(@custom "{prefix}{n}" "{content}")"#);
        (0..count).map(section).collect::<String>()
    };
    install(many("name", 30, 40_000)).unwrap();
    install(many("icp:private ", 16, 60_000)).unwrap();
    for sections in [many("icp:private ", 17, 1), many("icp:public ", 16, 70_000)] {
        let reject = install(sections).unwrap_err();
        assert!(
            reject.message.contains("invalid custom section"),
            "{reject:?}"
        );
    }
}
