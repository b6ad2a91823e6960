//! Enhanced orthogonal persistence: upgrades that keep the heap.
//!
//! The rules are in the interface specification 0.66, "IC Management Canister: Code upgrade", and
//! in `dfinity/ic` rs/execution_environment/src/execution/upgrade.rs.

use candid::Principal;
use canic_replica::{Effect, Fault, IngressStatus, Reject};
use ic_management_canister_types::{
    self as types,
    CanisterInstallMode::{self, Install, Reinstall, Upgrade},
    SnapshotDataKind, SnapshotDataOffset, UpgradeFlags,
    WasmMemoryPersistence::{Keep, Replace},
};

use crate::{
    common::{Net, T, canister},
    imports::wide_module,
    snapshots,
};

const SECTION: &str = r#"(@custom "icp:private enhanced-orthogonal-persistence" "1")"#;

/// What Motoko's compiler emits, in small: a 64-bit memory, the section, static data in a passive
/// segment that the start function copies, and a root object on the heap, which `canister_init` and
/// `canister_post_upgrade` create if it is missing. The step of the counter is static data.
fn counter(step: u8) -> Vec<u8> {
    wide_module(&format!(
        r#"{SECTION}
        (memory i64 2)
        (table 2 funcref) (elem (i32.const 1) $replied)
        (data $static "\{step:02x}")
        (global $started (mut i64) (i64.const 0))
        (start $start)
        (func $start
            (memory.init $static (i64.const 16) (i32.const 0) (i32.const 1))
            (data.drop $static)
            (global.set $started (i64.add (global.get $started) (i64.const 1))))
        ;; The root is at 32, and lies beyond the memory of a fresh instance.
        (func $create_root
            (if (i64.eqz (i64.load (i64.const 32))) (then
                (i64.store (i64.const 32)
                    (i64.mul (memory.grow (i64.const 1)) (i64.const 65536)))
                (i64.store (i64.load (i64.const 32)) (i64.const 100)))))
        (func (export "canister_init") (call $create_root))
        (func (export "canister_post_upgrade") (call $create_root))
        (func $step
            (i64.store (i64.load (i64.const 32))
                (i64.add (i64.load (i64.load (i64.const 32))) (i64.load8_u (i64.const 16)))))
        (func $reply (param i64)
            (i64.store (i64.const 48) (local.get 0))
            (call $msg_reply_data_append (i64.const 48) (i64.const 8)) (call $msg_reply))
        (func (export "canister_update increment")
            (call $step) (call $reply (i64.load (i64.load (i64.const 32)))))
        (func (export "canister_update fail") (call $step) (unreachable))
        (func (export "canister_query get") (call $reply (i64.load (i64.load (i64.const 32)))))
        (func (export "canister_query started") (call $reply (global.get $started)))
        ;; A call of itself, whose callback gets an address on the heap.
        (data $name "get")
        (func (export "canister_update await")
            (memory.init $name (i64.const 64) (i32.const 0) (i32.const 3))
            (call $canister_self_copy (i64.const 80) (i64.const 0) (i64.const 10))
            (call $call_new (i64.const 80) (i64.const 10) (i64.const 64) (i64.const 3)
                (i64.const 1) (i64.load (i64.const 32)) (i64.const 1) (i64.load (i64.const 32)))
            (if (call $call_perform) (then (unreachable))))
        (func $replied (param i64)
            (call $step) (call $reply (i64.load (local.get 0))))"#
    ))
}

/// An upgrade that says what becomes of the heap.
fn upgrade(persistence: types::WasmMemoryPersistence) -> CanisterInstallMode {
    Upgrade(Some(UpgradeFlags {
        skip_pre_upgrade: None,
        wasm_memory_persistence: Some(persistence),
    }))
}

/// The number that an update or a query replies with.
fn number(result: Result<Vec<u8>, Reject>) -> u64 {
    u64::from_le_bytes(result.unwrap().try_into().unwrap())
}

fn get(net: &mut Net, id: Principal) -> u64 {
    number(net.query(id, "get", &[]))
}

fn install(net: &mut Net, module: Vec<u8>) -> Principal {
    let id = net.create(1_000 * T);
    net.install_as(Install, id, module, &[]).unwrap();
    id
}

/// A 32-bit module with these fields and the section.
fn narrow(fields: &str) -> Vec<u8> {
    canister(&format!("{SECTION} {fields}"))
}

#[test]
fn an_actor_keeps_its_heap_and_not_its_globals_when_it_is_upgraded_with_keep() {
    let mut net = Net::new();
    let id = install(&mut net, counter(1));
    assert_eq!(number(net.update(id, "increment", &[])), 101);
    net.update(id, "fail", &[]).unwrap_err();
    assert_eq!(number(net.update(id, "increment", &[])), 102);
    for step in [2, 3] {
        net.install_as(upgrade(Keep), id, counter(step), &[])
            .unwrap();
        // The start function ran once on fresh globals.
        assert_eq!(number(net.query(id, "started", &[])), 1);
    }
    assert_eq!(get(&mut net, id), 102);
    assert_eq!(number(net.update(id, "increment", &[])), 105);
    assert_eq!(
        net.status(id).memory_metrics.wasm_memory_size,
        3_u64 * 65_536
    );
    net.install_as(upgrade(Replace), id, counter(5), &[])
        .unwrap();
    assert_eq!(get(&mut net, id), 100);
    net.update(id, "increment", &[]).unwrap();
    net.install_as(Reinstall, id, counter(5), &[]).unwrap();
    assert_eq!(get(&mut net, id), 100);
}

#[test]
fn an_upgrade_of_an_actor_must_say_what_becomes_of_its_heap() {
    let mut net = Net::new();
    let missing = "Missing upgrade option: Enhanced orthogonal persistence requires the \
                   `wasm_memory_persistence` upgrade option.";
    let skip = Upgrade(Some(UpgradeFlags {
        skip_pre_upgrade: Some(true),
        wasm_memory_persistence: None,
    }));
    for visibility in ["private", "public"] {
        let section = SECTION.replace("private", visibility);
        let id = install(&mut net, canister(&section));
        // The new module does not matter.
        for (mode, module) in [
            (Upgrade(None), counter(1)),
            (skip, canister("")),
            (skip, b"no module".to_vec()),
        ] {
            let reject = net.install_as(mode, id, module, &[]).unwrap_err();
            assert_eq!(
                (reject.message.as_str(), reject.error_code.as_str()),
                (missing, "IC0504")
            );
        }
        net.install_as(upgrade(Replace), id, canister(""), &[])
            .unwrap();
        net.install_as(Upgrade(None), id, canister(""), &[])
            .unwrap();
    }
}

#[test]
fn an_upgrade_keeps_the_heap_only_for_a_module_that_counts_on_it() {
    let mut net = Net::new();
    let invalid = "Invalid upgrade option: The `wasm_memory_persistence: opt Keep` upgrade option \
                   requires that the new canister module supports enhanced orthogonal persistence.";
    for old in [counter(1), canister("")] {
        let id = install(&mut net, old);
        let reject = net
            .install_as(upgrade(Keep), id, canister(""), &[])
            .unwrap_err();
        assert_eq!(
            (reject.message.as_str(), reject.error_code.as_str()),
            (invalid, "IC0504")
        );
        let reject = net
            .install_as(upgrade(Keep), id, b"no module".to_vec(), &[])
            .unwrap_err();
        assert_eq!(reject.error_code, "IC0505");
    }
}

/// `dfinity/ic` rs/execution_environment/src/execution/upgrade.rs: the first stage is
/// `canister_pre_upgrade`, the second the new module.
#[test]
fn the_old_code_runs_before_the_new_module_is_looked_at() {
    let mut net = Net::new();
    let trapping = r#"(func (export "canister_pre_upgrade") (unreachable))"#;
    let id = install(&mut net, narrow(trapping));
    for (mode, module) in [
        (Upgrade(None), counter(1)),
        (upgrade(Keep), canister("")),
        (upgrade(Replace), b"no module".to_vec()),
    ] {
        let reject = net.install_as(mode, id, module, &[]).unwrap_err();
        assert_eq!(reject.error_code, "IC0502", "{}", reject.message);
    }
    let skip = Upgrade(Some(UpgradeFlags {
        skip_pre_upgrade: Some(true),
        wasm_memory_persistence: Some(Keep),
    }));
    net.install_as(skip, id, counter(1), &[]).unwrap();
}

#[test]
fn pre_upgrade_writes_to_the_heap_that_is_kept_and_a_failed_upgrade_keeps_all() {
    let mut net = Net::new();
    let old = narrow(
        r#"(global $g (mut i32) (i32.const 0))
        (func (export "canister_init") (global.set $g (i32.const 7)))
        (func (export "canister_pre_upgrade") (i32.store (i32.const 100) (i32.const 5)))
        (func (export "canister_query heap") (call $reply (i32.load (i32.const 100))))
        (func (export "canister_query global") (call $reply (global.get $g)))"#,
    );
    let id = install(&mut net, old.clone());
    let trapping = narrow(
        r#"(func (export "canister_post_upgrade")
            (i32.store (i32.const 100) (i32.const 6)) (unreachable))"#,
    );
    let reject = net
        .install_as(upgrade(Keep), id, trapping, &[])
        .unwrap_err();
    assert_eq!(reject.error_code, "IC0502");
    assert_eq!((net.number(id, "heap"), net.number(id, "global")), (0, 7));
    net.install_as(upgrade(Keep), id, old, &[]).unwrap();
    assert_eq!((net.number(id, "heap"), net.number(id, "global")), (5, 0));
}

#[test]
fn active_segments_of_the_new_module_leave_a_kept_heap_alone() {
    let mut net = Net::new();
    let module = |pages: u32, fields: &str| {
        wide_module(&format!(
            r#"{SECTION} (memory i64 {pages}) {fields}
            (func $show (param i64)
                (call $msg_reply_data_append (local.get 0) (i64.const 8)) (call $msg_reply))
            (func (export "canister_query low") (call $show (i64.const 0)))
            (func (export "canister_query high") (call $show (i64.const 65536)))
            (func (export "canister_update clear")
                (i64.store (i64.const 0) (i64.const 0)) (call $msg_reply))"#
        ))
    };
    let id = install(&mut net, module(1, r#"(data (i64.const 0) "\01")"#));
    // A larger initial memory makes the heap larger, with zeros.
    let second = r#"(data (i64.const 0) "\02") (data (i64.const 65536) "\03")"#;
    net.install_as(upgrade(Keep), id, module(2, second), &[])
        .unwrap();
    assert_eq!(number(net.query(id, "low", &[])), 1);
    assert_eq!(number(net.query(id, "high", &[])), 0);
    // Zeros that overwrote initial data are kept, too.
    net.update(id, "clear", &[]).unwrap();
    net.install_as(
        upgrade(Keep),
        id,
        module(1, r#"(data (i64.const 0) "\04")"#),
        &[],
    )
    .unwrap();
    assert_eq!(number(net.query(id, "low", &[])), 0);
    assert_eq!(number(net.query(id, "high", &[])), 0);
    assert_eq!(
        net.status(id).memory_metrics.wasm_memory_size,
        2_u64 * 65_536
    );
}

#[test]
fn a_kept_heap_may_move_to_a_memory_of_the_other_width_that_holds_it() {
    let mut net = Net::new();
    let wide = |fields: &str| {
        wide_module(&format!(
            r#"{SECTION} (memory i64 1) {fields}
            (func (export "canister_query get")
                (call $msg_reply_data_append (i64.const 100) (i64.const 4)) (call $msg_reply))"#
        ))
    };
    let small = narrow(
        r#"(func (export "canister_init") (i32.store (i32.const 100) (i32.const 9)))
        (func (export "canister_query get") (call $reply (i32.load (i32.const 100))))"#,
    );
    let id = install(&mut net, small.clone());
    net.install_as(upgrade(Keep), id, wide(""), &[]).unwrap();
    assert_eq!(net.number(id, "get"), 9);
    net.install_as(upgrade(Keep), id, small.clone(), &[])
        .unwrap();
    assert_eq!(net.number(id, "get"), 9);

    let settings = types::CanisterSettings {
        wasm_memory_limit: Some(0_u8.into()),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    let grow = r#"(func (export "canister_post_upgrade") (drop (memory.grow (i64.const 65536))))"#;
    net.install_as(upgrade(Keep), id, wide(grow), &[]).unwrap();
    for too_small in [
        small,
        wide_module(&format!("{SECTION} (memory i64 1 100)")),
        wat::parse_str(format!("(module {SECTION})")).unwrap(),
    ] {
        let reject = net
            .install_as(upgrade(Keep), id, too_small, &[])
            .unwrap_err();
        let why = "Invalid upgrade option: The memory of the new canister module does not hold \
                   the 65537 pages";
        assert!(reject.message.starts_with(why), "{}", reject.message);
    }
    assert_eq!(net.number(id, "get"), 9);
}

/// `dfinity/ic` rs/embedders/src/wasmtime_embedder.rs, `run`: a 32-bit module gets environments of
/// 32 bits only.
#[test]
fn an_open_callback_meets_the_address_type_of_the_new_code() {
    let mut net = Net::new();
    let id = install(&mut net, counter(1));
    net.replica
        .inject(Fault::on_answer(Effect::Delay { rounds: 5 }));
    let await_answer = |net: &mut Net, module: Vec<u8>, persistence| {
        let call = net.replica.submit(net.ingress(id, "await", &[])).unwrap();
        net.replica.tick();
        let status = net.replica.ingress_status(&call);
        assert!(matches!(status, IngressStatus::Processing), "{status:?}");
        net.install_as(upgrade(persistence), id, module, &[])
            .unwrap();
        net.replica.await_ingress(&call).unwrap()
    };
    // The heap is kept: the callback finds its object, and the new step.
    let mut kept = net.clone();
    assert_eq!(number(await_answer(&mut kept, counter(7), Keep)), 107);
    let narrow = canister(
        r#"(table 2 funcref) (elem (i32.const 1) $replied)
        (func $replied (param i32) (call $reply (local.get 0)))"#,
    );
    let reply = await_answer(&mut net.clone(), narrow.clone(), Replace).unwrap();
    assert_eq!(reply, 131_072_u32.to_le_bytes());
    let settings = types::CanisterSettings {
        wasm_memory_limit: Some(0_u8.into()),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    // The root lies beyond 4 GiB.
    let far = wide_module(&format!(
        r#"{SECTION} (memory i64 1)
        (func (export "canister_post_upgrade")
            (drop (memory.grow (i64.const 65600)))
            (i64.store (i64.const 32) (i64.const 0x1_0020_0000)))"#
    ));
    net.install_as(upgrade(Keep), id, far, &[]).unwrap();
    net.install_as(upgrade(Keep), id, counter(1), &[]).unwrap();
    let reject = await_answer(&mut net, narrow, Replace).unwrap_err();
    let why = "Canister violated contract: error converting additional value 4297064448 to u32.";
    assert!(reject.message.ends_with(why), "{}", reject.message);
}

#[test]
fn a_snapshot_of_an_actor_has_its_heap_and_its_globals() {
    let mut net = Net::new();
    let id = install(&mut net, counter(1));
    net.update(id, "increment", &[]).unwrap();
    let snapshot = snapshots::take(&mut net, id);
    net.install_as(upgrade(Keep), id, counter(9), &[]).unwrap();
    net.update(id, "increment", &[]).unwrap();
    assert_eq!(get(&mut net, id), 110);
    snapshots::load(&mut net, id, &snapshot).unwrap();
    assert_eq!(get(&mut net, id), 101);
    assert_eq!(number(net.query(id, "started", &[])), 1);
    assert_eq!(number(net.update(id, "increment", &[])), 102);
    net.install_as(upgrade(Keep), id, counter(9), &[]).unwrap();
    assert_eq!(get(&mut net, id), 102);
}

#[test]
fn a_snapshot_beyond_4_gib_is_downloaded_and_uploaded() {
    const FAR: u64 = 0x1_0001_0000;
    let mut net = Net::new();
    let module = wide_module(
        r#"(memory i64 65540)
        (func (export "canister_update fill")
            (i64.store (i64.const 0x1_0001_0008) (i64.const 77)) (call $msg_reply))
        (func (export "canister_query get")
            (call $msg_reply_data_append (i64.const 0x1_0001_0008) (i64.const 8))
            (call $msg_reply))"#,
    );
    let [from, to] = [(); 2].map(|()| {
        let id = net.create(10_000 * T);
        let settings = types::CanisterSettings {
            wasm_memory_limit: Some(0_u8.into()),
            ..Default::default()
        };
        net.update_settings(id, settings).unwrap();
        id
    });
    net.install_as(Install, from, module.clone(), &[]).unwrap();
    net.update(from, "fill", &[]).unwrap();
    let snapshot = snapshots::take(&mut net, from);
    let metadata = snapshots::metadata(&mut net, from, &snapshot);
    assert_eq!(metadata.wasm_memory_size, 65_540 * 65_536);
    let kind = SnapshotDataKind::WasmMemory {
        offset: FAR,
        size: 32,
    };
    let slice = snapshots::read(&mut net, from, &snapshot, kind).unwrap();
    assert_eq!(slice[8], 77);

    net.install_as(Install, to, canister(""), &[]).unwrap();
    let args = snapshots::upload_args(to, metadata);
    let copy = snapshots::upload_with(&mut net, args, &module);
    let offset = SnapshotDataOffset::WasmMemory { offset: FAR };
    snapshots::write(&mut net, to, &copy, offset, &slice).unwrap();
    snapshots::load(&mut net, to, &copy).unwrap();
    assert_eq!(get(&mut net, to), 77);
}
