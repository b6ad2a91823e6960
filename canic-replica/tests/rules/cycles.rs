//! Fees, to the cycle, and the fate of canisters that cannot pay them.

use candid::{Nat, Principal};
use canic_replica::Kind;
use ic_management_canister_types::{self as types, CanisterInstallMode::Install, CanisterSettings};

use crate::common::{
    CALLER, NO_ARGS, Net, T, call_argument, canister, decode_outcome, encode, reception, record,
};

const DAY: u64 = 24 * 3600 * 1_000_000_000;
/// Replies with four bytes.
const PLAIN: &str = r#"(func (export "canister_update x") (call $reply (i32.const 0)))
    (func (export "canister_query q") (call $reply (i32.const 0)))"#;

fn balance(net: &Net, id: Principal) -> u128 {
    net.replica.cycles(id).unwrap()
}

fn threshold(seconds: u64) -> CanisterSettings {
    CanisterSettings {
        freezing_threshold: Some(Nat::from(seconds)),
        ..CanisterSettings::default()
    }
}

/// More seconds than any balance lasts.
const FOR_EVER: u64 = u64::MAX;

#[test]
fn reception_costs_a_base_and_each_byte() {
    let mut net = Net::new();
    let id = net.install(PLAIN);
    let before = balance(&net, id);
    let ingress = net.ingress(id, "x", &[0; 100]);
    net.replica.submit(ingress).unwrap();
    assert_eq!(before - balance(&net, id), reception(id, "x", 100));
}

#[test]
fn an_update_costs_a_base_and_each_instruction() {
    let mut net = Net::new();
    let id = net.install(PLAIN);
    let before = balance(&net, id);
    net.update(id, "x", &[]).unwrap();
    let instructions = net.events(Kind::Ingress).last().unwrap().instructions;
    let cost = reception(id, "x", 0) + 5_000_000 + u128::from(instructions);
    assert_eq!(before - balance(&net, id), cost);
}

#[test]
fn a_call_pays_for_its_bytes_and_those_of_the_answer_and_gets_the_rest_back() {
    let mut net = Net::new();
    let callee = net.install(PLAIN);
    let caller = net.install(
        r#"(table 2 funcref) (elem (i32.const 1) $on_answer)
        (data (i32.const 0) "x")
        (func $on_answer (param i32) (call $reply (i32.const 0)))
        (func (export "canister_update go")
            (drop (call $argument))
            (call $new_call (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 1))
            (call $call_data_append (i32.const 0) (i32.const 30))
            (drop (call $call_perform)))"#,
    );
    let fees = net.replica.accounts().fees;
    let before = balance(&net, caller);
    net.update(caller, "go", callee.as_slice()).unwrap();
    let after = net.replica.accounts().fees;
    let transmission = after.transmission - fees.transmission;
    assert_eq!(transmission, 260_000 + 1_000 * (1 + 30) + 1_000 * 4);
    let instructions: u64 = [Kind::Ingress, Kind::Reply]
        .into_iter()
        .flat_map(|kind| net.events(kind))
        .filter(|event| event.canister == caller)
        .map(|event| event.instructions)
        .sum();
    let execution = 2 * 5_000_000 + u128::from(instructions);
    let cost = reception(caller, "go", 10) + execution + transmission;
    assert_eq!(before - balance(&net, caller), cost);
}

#[test]
fn memory_and_compute_cost_by_the_second() {
    let mut net = Net::new();
    let id = net.create(1_000 * T);
    let settings = CanisterSettings {
        memory_allocation: Some(Nat::from(1_u64 << 30)),
        compute_allocation: Some(Nat::from(1_u8)),
        ..CanisterSettings::default()
    };
    net.update_settings(id, settings).unwrap();
    let per_day = 24 * 3600 * (317_500 + 10_000 + 10_000_000_u128);
    assert_eq!(
        net.status(id).idle_cycles_burned_per_day,
        Nat::from(per_day)
    );
    // A first payment, then one for exactly a day.
    let later = net.replica.time() + DAY;
    net.replica.set_time(later).unwrap();
    net.replica.tick();
    let before = balance(&net, id);
    net.replica.set_time(later + DAY).unwrap();
    net.replica.tick();
    assert_eq!(before - balance(&net, id), per_day);
    net.check_accounts();
}

#[test]
fn compiling_costs_for_each_instruction_of_the_module() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let module = wat::parse_str(r#"(module (func (export "canister_update x") nop nop nop))"#);
    let before = net.replica.accounts().fees.execution;
    net.install_as(Install, id, module.unwrap(), &[]).unwrap();
    let cost = net.replica.accounts().fees.execution - before;
    // Three instructions, and the end of the function.
    assert_eq!(cost, 5_000_000 + 4 * 6_000);
}

#[test]
fn an_install_that_is_refused_costs_the_base() {
    let mut net = Net::new();
    let id = net.install(PLAIN);
    let before = net.replica.accounts().fees.execution;
    net.install_as(Install, id, canister(PLAIN), &[])
        .unwrap_err();
    let cost = net.replica.accounts().fees.execution - before;
    assert_eq!(cost, 5_000_000);
}

#[test]
fn an_upload_costs_the_same_whether_the_chunk_is_new_or_not() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    for _ in 0..2 {
        let before = balance(&net, id);
        let args = types::UploadChunkArgs {
            canister_id: id,
            chunk: vec![1],
        };
        let payload = encode(args);
        let management = Principal::management_canister();
        net.update(management, "upload_chunk", &payload).unwrap();
        let cost = reception(management, "upload_chunk", payload.len()) + 200_000_000;
        assert_eq!(before - balance(&net, id), cost);
    }
    assert_eq!(
        net.status(id).memory_metrics.wasm_chunk_store_size,
        Nat::from(1_u32 << 20)
    );
}

#[test]
fn a_snapshot_costs_its_instructions_and_each_byte_and_then_storage() {
    let mut net = Net::new();
    let id = net.install(PLAIN);
    let before = net.status(id);
    let fees = net.replica.accounts().fees.execution;
    let args = types::TakeCanisterSnapshotArgs {
        canister_id: id,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    let (snapshot,) = net
        .manage::<(types::Snapshot,)>("take_canister_snapshot", (args,))
        .unwrap();
    let cost = net.replica.accounts().fees.execution - fees;
    assert_eq!(cost, 2_000_000_000 + u128::from(snapshot.total_size));
    let after = net.status(id);
    assert_eq!(after.memory_size, before.memory_size + snapshot.total_size);
    let per_day = after.memory_size * 317_500_u32 * (24 * 3600_u32) / (1_u32 << 30);
    let base = 864_000_000_u32;
    assert_eq!(after.idle_cycles_burned_per_day, per_day + base);
}

/// Calls the management canister; returns the execution fee of the call, and the reply.
fn execution_fee(net: &mut Net, method: &str, payload: &[u8]) -> (u128, Vec<u8>) {
    let before = net.replica.accounts().fees.execution;
    let management = Principal::management_canister();
    let reply = net.update(management, method, payload).unwrap();
    (net.replica.accounts().fees.execution - before, reply)
}

#[test]
fn loading_a_snapshot_costs_its_instructions_its_bytes_and_the_compilation() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let module = wat::parse_str(r#"(module (func (export "canister_update x") nop nop nop))"#);
    net.install_as(Install, id, module.unwrap(), &[]).unwrap();
    let args = types::TakeCanisterSnapshotArgs {
        canister_id: id,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    let (_, reply) = execution_fee(&mut net, "take_canister_snapshot", &encode(args));
    let (snapshot,) = candid::decode_args::<(types::Snapshot,)>(&reply).unwrap();
    let args = types::LoadCanisterSnapshotArgs {
        canister_id: id,
        snapshot_id: snapshot.id,
        sender_canister_version: None,
    };
    let (cost, _) = execution_fee(&mut net, "load_canister_snapshot", &encode(args));
    let bytes = u128::from(snapshot.total_size);
    // The subnet has compiled the module already.
    assert_eq!(cost, 2_000_000_000 + bytes + 4 * 6_000 / 100);
}

#[test]
fn moving_snapshots_costs_their_instructions_and_each_byte() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let args = types::UploadCanisterSnapshotMetadataArgs {
        canister_id: id,
        replace_snapshot: None,
        wasm_module_size: 100,
        globals: vec![types::SnapshotMetadataGlobal::I32(0)],
        wasm_memory_size: 65_536,
        stable_memory_size: 131_072,
        certified_data: vec![1],
        global_timer: None,
        on_low_wasm_memory_hook_status: None,
    };
    let (cost, reply) = execution_fee(&mut net, "upload_canister_snapshot_metadata", &encode(args));
    let bytes = 100 + 32 + 65_536 + 131_072 + 1;
    assert_eq!(cost, 2_000_000_000 + bytes);
    let (answer,) =
        candid::decode_args::<(types::UploadCanisterSnapshotMetadataResult,)>(&reply).unwrap();
    for (kind, paid_for) in [
        (types::SnapshotDataOffset::WasmMemory { offset: 0 }, 7),
        // A chunk counts as a full one.
        (types::SnapshotDataOffset::WasmChunk, 1 << 20),
    ] {
        let args = types::UploadCanisterSnapshotDataArgs {
            canister_id: id,
            snapshot_id: answer.snapshot_id.clone(),
            kind,
            chunk: vec![1; 7],
        };
        let (cost, _) = execution_fee(&mut net, "upload_canister_snapshot_data", &encode(args));
        assert_eq!(cost, paid_for);
    }
    let args = types::ReadCanisterSnapshotDataArgs {
        canister_id: id,
        snapshot_id: answer.snapshot_id,
        kind: types::SnapshotDataKind::WasmMemory {
            offset: 0,
            size: 1_000,
        },
    };
    let (cost, _) = execution_fee(&mut net, "read_canister_snapshot_data", &encode(args));
    assert_eq!(cost, 5_000_000 + 1_000);
}

#[test]
fn a_frozen_canister_refuses_messages_and_names_the_shortfall_to_controllers_only() {
    let mut net = Net::new();
    let id = net.install(PLAIN);
    net.update_settings(id, threshold(FOR_EVER)).unwrap();
    let reject = net.update(id, "x", &[]).unwrap_err();
    assert_eq!(reject.error_code, "IC0207");
    let begin =
        format!("Canister {id} is out of cycles: please top up the canister with at least ");
    assert!(reject.message.starts_with(&begin), "{}", reject.message);
    assert!(!reject.certified);
    let mut stranger = net.ingress(id, "x", &[]);
    stranger.sender = Principal::anonymous();
    let text = format!("Canister {id} is out of cycles");
    assert_eq!(net.send(stranger).unwrap_err().message, text);
    let reject = net.query(id, "q", &[]).unwrap_err();
    let text = format!(
        "Canister {id} is unable to process query calls because it's frozen. \
         Please top up the canister with cycles and try again."
    );
    assert_eq!(
        (reject.error_code.as_str(), reject.message),
        ("IC0207", text)
    );
    assert!(net.manage::<()>("stop_canister", record(id)).is_err());

    let caller = net.install(&CALLER.replace(
        "(i32.const 0) (i32.const 0) (i32.const 1001)",
        "(i32.const 30000) (i32.const 10) (i32.const 1001)",
    ));
    net.replica.tick();
    let name: String = id.as_slice().iter().map(|b| format!("\\{b:02x}")).collect();
    let module = canister(&format!(
        "{} (data (i32.const 30000) \"{name}\")",
        CALLER.replace(
            "(i32.const 0) (i32.const 0) (i32.const 1001)",
            "(i32.const 30000) (i32.const 10) (i32.const 1001)"
        )
    ));
    net.install_as(types::CanisterInstallMode::Reinstall, caller, module, &[])
        .unwrap();
    let text = format!("IC0207: Canister {id} is out of cycles");
    assert_eq!(net.call_through(caller, "x", T, &[]), (T, Err((2, text))));
}

#[test]
fn a_small_change_of_settings_is_paid_afterwards_so_that_a_canister_can_be_thawed() {
    let mut net = Net::new();
    let id = net.install(PLAIN);
    let send = |net: &mut Net, settings: CanisterSettings| {
        let payload = encode(types::UpdateSettingsArgs {
            canister_id: id,
            settings,
            sender_canister_version: None,
        });
        let before = balance(net, id);
        let management = Principal::management_canister();
        let result = net.update(management, "update_settings", &payload);
        (result, before - balance(net, id), payload.len())
    };
    // The change freezes the canister, so it cannot be charged for it any more.
    let (result, cost, _) = send(&mut net, threshold(FOR_EVER));
    assert_eq!((result.is_ok(), cost), (true, 0));
    let (result, cost, size) = send(&mut net, threshold(0));
    // Such a charge is for the method and the argument only (`dfinity/ic`,
    // `rs/execution_environment/src/execution_environment.rs`).
    let price = 1_200_000 + 2_000 * ("update_settings".len() + size) as u128;
    assert_eq!((result.is_ok(), cost), (true, price));
    net.update(id, "x", &[]).unwrap();
    // A large change is paid in advance like other calls.
    send(&mut net, threshold(FOR_EVER)).0.unwrap();
    let large = CanisterSettings {
        environment_variables: Some(
            (0..10)
                .map(|i| types::EnvironmentVariable {
                    name: format!("a long name {i}"),
                    value: "and a long value, too".into(),
                })
                .collect(),
        ),
        ..threshold(0)
    };
    assert_eq!(send(&mut net, large).0.unwrap_err().error_code, "IC0207");
}

#[test]
fn a_frozen_canister_cannot_clear_its_chunk_store() {
    let mut net = Net::new();
    let proxy = net.install(CALLER);
    let id = net.create(10 * T);
    let args = types::UploadChunkArgs {
        canister_id: id,
        chunk: vec![1],
    };
    net.manage::<(types::ChunkHash,)>("upload_chunk", (args,))
        .unwrap();
    let mut settings = threshold(FOR_EVER);
    settings.controllers = Some(vec![net.admin, proxy]);
    net.update_settings(id, settings).unwrap();
    let clear = encode(record(id).0);
    let (_, answer) = net.call_through(proxy, "clear_chunk_store", 0, &clear);
    let (code, message) = answer.unwrap_err();
    assert_eq!(code, 5);
    assert!(
        message.starts_with("IC0532: Canister cannot grow memory by 0 bytes"),
        "{message}"
    );
    net.update_settings(id, threshold(0)).unwrap();
    let (_, answer) = net.call_through(proxy, "clear_chunk_store", 0, &clear);
    answer.unwrap();
}

#[test]
fn a_frozen_canister_still_gets_its_answers() {
    let mut net = Net::new();
    let id = net.install(CALLER);
    let open = net.ingress(id, "go", &call_argument("raw_rand", 0, NO_ARGS));
    let open = net.replica.submit(open).unwrap();
    net.replica.tick();
    let management = Principal::management_canister();
    let args = encode(types::UpdateSettingsArgs {
        canister_id: id,
        settings: threshold(FOR_EVER),
        sender_canister_version: None,
    });
    let freeze = net.ingress(management, "update_settings", &args);
    net.replica.submit(freeze).unwrap();
    net.replica.tick();
    let answer = net.replica.await_ingress(&open).unwrap().unwrap();
    assert!(decode_outcome(&answer).1.is_ok());
    net.check_accounts();
}

#[test]
fn a_canister_without_cycles_keeps_its_id_and_loses_code_and_state() {
    let mut net = Net::new();
    let id = net.install(CALLER);
    let settings = CanisterSettings {
        memory_allocation: Some(Nat::from(1_u64 << 30)),
        ..CanisterSettings::default()
    };
    net.update_settings(id, settings).unwrap();
    let args = types::TakeCanisterSnapshotArgs {
        canister_id: id,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    net.manage::<(types::Snapshot,)>("take_canister_snapshot", (args,))
        .unwrap();
    let open = net.ingress(id, "go", &call_argument("raw_rand", 0, NO_ARGS));
    let open = net.replica.submit(open).unwrap();
    net.replica.tick();
    let later = net.replica.time() + 10_000 * DAY;
    net.replica.set_time(later).unwrap();
    net.replica.tick();
    let reject = net.replica.await_ingress(&open).unwrap().unwrap_err();
    assert_eq!(
        (reject.error_code.as_str(), reject.message.as_str()),
        ("IC0406", "Canister has been uninstalled.")
    );
    assert_eq!(balance(&net, id), 0);
    net.check_accounts();
    net.replica.add_cycles(id, T).unwrap();
    let status = net.status(id);
    assert_eq!(status.module_hash, None);
    assert_eq!(status.memory_size, 0_u8, "nothing is left");
    assert_eq!(status.settings.memory_allocation, 0_u8);
    assert_eq!(status.settings.controllers, [net.admin]);
    let caller = net.install(CALLER);
    let args = encode(types::CanisterInfoArgs {
        canister_id: id,
        num_requested_changes: Some(20),
    });
    let (_, reply) = net.call_through(caller, "canister_info", 0, &args);
    let (info,) = candid::decode_args::<(types::CanisterInfoResult,)>(&reply.unwrap()).unwrap();
    assert_eq!((info.total_num_changes, info.recent_changes.len()), (2, 0));
}

#[test]
fn cycles_come_back_even_if_the_answer_comes_too_late() {
    let mut net = Net::new();
    let slow = net.install(CALLER);
    let caller = net.install(
        r#"(table 2 funcref) (elem (i32.const 1) $on_answer)
        (data (i32.const 0) "go")
        (func $on_answer (param i32) (call $reply (call $msg_reject_code)))
        (func (export "canister_update go") (local $size i32)
            (local.set $size (call $argument))
            (call $new_call (i32.const 0) (i32.const 2) (i32.const 1) (i32.const 1))
            (call $call_with_best_effort_response (i32.const 1))
            (call $call_cycles_add128 (i64.const 0) (i64.const 1000000000000))
            (call $call_data_append (i32.const 1010) (i32.sub (local.get $size) (i32.const 10)))
            (drop (call $call_perform)))"#,
    );
    let argument = [slow.as_slice(), &call_argument("raw_rand", 0, NO_ARGS)].concat();
    let before = balance(&net, caller);
    let open = net.ingress(caller, "go", &argument);
    let open = net.replica.submit(open).unwrap();
    net.replica.tick();
    let later = net.replica.time() + 2_000_000_000;
    net.replica.set_time(later).unwrap();
    let answer = net.replica.await_ingress(&open).unwrap().unwrap();
    assert_eq!(answer, 6_u32.to_le_bytes());
    for _ in 0..4 {
        net.replica.tick();
        net.check_accounts();
    }
    let cost = before - balance(&net, caller);
    assert!(cost < T / 100, "{cost}");
    assert_eq!(net.replica.accounts().destroyed, 0);
}
