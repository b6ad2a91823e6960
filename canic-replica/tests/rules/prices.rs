//! The prices of 2026 on subnets of all sizes, and what they are charged for.
//!
//! Source: `dfinity/ic`, `rs/config/src/subnet_config.rs` (the table) and
//! `rs/cycles_account_manager/src/cycles_account_manager.rs` (the formulas).

use candid::{Nat, Principal};
use canic_replica::{Ingress, Kind, SubnetKind};
use ic_management_canister_types::{
    self as types,
    CanisterInstallMode::{Install, Reinstall},
};

use crate::common::{CALLER, Net, T, call_argument, canister, decode_outcome, encode, reception};

const DAY: u128 = 24 * 3600;
/// Replies with four bytes.
const PLAIN: &str = r#"(func (export "canister_update x") (call $reply (i32.const 0)))"#;
/// Calls a method of the canister whose id begins its argument; the method's name follows.
const FORWARDER: &str = r#"(table 3 funcref) (elem (i32.const 1) $on_reply $on_reject)
    (func $on_reply (param i32) (call $reply (i32.const 0)))
    (func $on_reject (param i32) (call $reply (call $msg_reject_code)))
    (func (export "canister_update go")
        (call $new_call (i32.const 1010) (i32.sub (call $argument) (i32.const 10))
            (i32.const 1) (i32.const 2))
        (drop (call $call_perform)))"#;

fn balance(net: &Net, id: Principal) -> u128 {
    net.replica.cycles(id).unwrap()
}

fn execution_fees(net: &Net) -> u128 {
    net.replica.accounts().fees.execution
}

/// A canister pays for all bytes of an ingress message, and for a message even if none of its
/// instructions can be executed. A recorded PocketIC server charges 6,456,000 cycles for an update
/// call of seven letters by the anonymous user: 1,200,000 + 128 * 2,000 + 5,000,000.
#[test]
fn a_missing_method_costs_the_reception_of_the_whole_message_and_the_message() {
    let mut net = Net::new();
    let id = net.install(PLAIN);
    let before = balance(&net, id);
    let ingress = Ingress {
        sender: Principal::anonymous(),
        ..net.ingress(id, "missing", &[])
    };
    let reject = net.send(ingress).unwrap_err();
    assert_eq!(reject.error_code, "IC0536");
    assert_eq!(before - balance(&net, id), 6_456_000);
}

#[test]
fn longer_parts_of_a_message_have_longer_heads() {
    let mut net = Net::new();
    let id = net.install(PLAIN);
    for payload in [0, 23, 24, 255, 256, 65_535, 65_536] {
        let before = balance(&net, id);
        let ingress = net.ingress(id, "x", &vec![0; payload]);
        net.replica.submit(ingress).unwrap();
        let cost = before - balance(&net, id);
        assert_eq!(cost, reception(id, "x", payload), "{payload}");
    }
}

#[test]
fn a_message_of_an_agent_costs_the_bytes_of_its_envelope_once() {
    let mut net = Net::new();
    let id = net.install(PLAIN);
    let before = balance(&net, id);
    for _ in 0..2 {
        let ingress = net.ingress(id, "x", &[]);
        net.replica.submit_as([7; 32], ingress, 1_000).unwrap();
    }
    assert_eq!(before - balance(&net, id), 1_200_000 + 1_000 * 2_000);
    let ingress = net.ingress(id, "x", &[]);
    let reject = net.replica.submit_as([8; 32], ingress, (2 << 20) + 1);
    let text = "Request is too large. Message byte size 2097153 is larger than the max allowed \
                2097152.";
    assert_eq!(reject.unwrap_err().message, text);
}

/// Source: `rs/execution_environment/src/execution/call_or_task.rs`: the execution is prepaid, then
/// the method is checked.
#[test]
fn a_request_without_a_method_or_a_module_costs_its_callee_the_message() {
    let mut net = Net::new();
    let caller = net.install(FORWARDER);
    let composite = r#"(func (export "canister_composite_query sum"))"#;
    let composite = net.install(composite);
    let empty = net.create(100 * T);
    for (callee, method) in [(composite, "sum"), (composite, "none"), (empty, "x")] {
        let before = balance(&net, callee);
        let argument = [callee.as_slice(), method.as_bytes()].concat();
        let code = net.update(caller, "go", &argument).unwrap();
        assert_eq!(code, 5_u32.to_le_bytes(), "{method}");
        assert_eq!(before - balance(&net, callee), 5_000_000, "{method}");
    }
}

#[test]
fn an_answer_without_a_callback_costs_the_message() {
    let mut net = Net::new();
    let callee = net.install(PLAIN);
    let caller = net.install(
        r#"(data (i32.const 0) "x")
        (func (export "canister_update go")
            (drop (call $argument))
            (call $new_call (i32.const 0) (i32.const 1) (i32.const -1) (i32.const -1))
            (drop (call $call_perform))
            (call $reply (i32.const 0)))"#,
    );
    // A one-way call has neither callbacks nor environments.
    let one_way = canister(
        r#"(data (i32.const 0) "x")
        (func (export "canister_update go")
            (drop (call $argument))
            (call $call_new (i32.const 1000) (i32.const 10) (i32.const 0) (i32.const 1)
                (i32.const -1) (i32.const -1) (i32.const -1) (i32.const -1))
            (drop (call $call_perform))
            (call $reply (i32.const 0)))"#,
    );
    net.install_as(Reinstall, caller, one_way, &[]).unwrap();
    let before = execution_fees(&net);
    net.update(caller, "go", callee.as_slice()).unwrap();
    net.replica.tick();
    net.check_accounts();
    let instructions: u64 = [Kind::Ingress, Kind::Update]
        .iter()
        .map(|kind| net.events(*kind).last().unwrap().instructions)
        .sum();
    let fees = execution_fees(&net) - before;
    assert_eq!(fees, 3 * 5_000_000 + u128::from(instructions));
}

/// Source: `rs/execution_environment/src/execution_environment.rs`, `CompilationCostHandling`, and
/// `rs/execution_environment/src/scheduler.rs`, `finish_round`.
#[test]
fn a_module_that_the_subnet_has_compiled_already_costs_a_hundredth() {
    let mut net = Net::with(vec![SubnetKind::Application; 2]);
    let module = || wat::parse_str(r#"(module (func (export "canister_update x") nop))"#).unwrap();
    // One instruction, and the end of the function.
    let compilation = 2 * 6_000;
    let install = |net: &mut Net, subnet| {
        let id = net.create_on(subnet, 100 * T);
        let before = execution_fees(net);
        net.install_as(Install, id, module(), &[]).unwrap();
        execution_fees(net) - before - 5_000_000
    };
    assert_eq!(install(&mut net, 0), compilation);
    assert_eq!(install(&mut net, 0), compilation / 100);
    assert_eq!(install(&mut net, 1), compilation, "each subnet for itself");
    for _ in 0..500 {
        net.replica.tick();
    }
    assert_eq!(install(&mut net, 0), compilation, "after a checkpoint");
}

#[test]
fn a_module_of_a_failed_installation_is_not_compiled_already() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let module = || {
        let module = r#"(module (func (export "canister_init") unreachable))"#;
        wat::parse_str(module).unwrap()
    };
    for _ in 0..2 {
        let before = execution_fees(&net);
        net.install_as(Install, id, module(), &[]).unwrap_err();
        let cost = execution_fees(&net) - before;
        assert!(cost > 5_000_000 + 2 * 6_000, "{cost}");
        net.replica.tick();
    }
}

/// Source: `rs/pocket_ic_server/src/pocket_ic.rs`, `subnet_size`.
#[test]
fn subnets_have_as_many_nodes_as_on_pocket_ic() {
    let sizes = [
        (SubnetKind::Application, 13),
        (SubnetKind::Bitcoin, 13),
        (SubnetKind::CloudEngine, 13),
        (SubnetKind::Fiduciary, 34),
        (SubnetKind::II, 34),
        (SubnetKind::NNS, 40),
        (SubnetKind::SNS, 34),
        (SubnetKind::System, 13),
        (SubnetKind::TestThresholdKeys, 13),
        (SubnetKind::VerifiedApplication, 13),
    ];
    let net = Net::with(sizes.iter().map(|(kind, _)| *kind).collect());
    for (subnet, (kind, size)) in net.replica.subnets().iter().zip(sizes) {
        assert_eq!((subnet.kind, subnet.nodes.len()), (kind, size));
    }
}

#[test]
fn a_subnet_of_34_nodes_scales_all_prices() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Fiduciary]);
    let id = net.create_on(1, 100 * T);
    net.install_as(Install, id, canister(PLAIN), &[]).unwrap();
    let before = balance(&net, id);
    let ingress = net.ingress(id, "x", &[]);
    net.replica.submit(ingress).unwrap();
    let bytes = 140 + 10 + 1;
    assert_eq!(before - balance(&net, id), 3_138_461 + bytes * 5_230);
    let before = execution_fees(&net);
    net.replica.tick();
    let instructions = net.events(Kind::Ingress).last().unwrap().instructions;
    // What is left of the limit is refunded, rounded down.
    let limit = 40_000_000_000;
    let refund = u128::from(limit - instructions) * 34 / 13;
    let cost = (5_000_000 + u128::from(limit)) * 34 / 13 - refund;
    assert_eq!(execution_fees(&net) - before, cost);
    let per_day = net.status(id).idle_cycles_burned_per_day;
    let memory: u128 = net.status(id).memory_size.0.try_into().unwrap();
    let storage = (memory * 317_500 * DAY / (1 << 30)) * 34 / 13;
    assert_eq!(per_day, storage + 10_000 * DAY * 34 / 13);
}

#[test]
fn a_canister_that_has_any_memory_pays_a_base_fee_and_one_without_pays_nothing() {
    let mut net = Net::new();
    let id = net.create(T);
    let status = net.status(id);
    // The history has one entry with one controller.
    assert_eq!(status.memory_size, 190_u8);
    let storage = 190 * 317_500 * DAY / (1 << 30);
    assert_eq!(status.idle_cycles_burned_per_day, 864_000_000 + storage);
    // A canister that could not pay has no memory, not even a history.
    let later = net.replica.time() + 2_000 * (DAY as u64) * 1_000_000_000;
    net.replica.set_time(later).unwrap();
    net.replica.tick();
    assert_eq!(balance(&net, id), 0);
    net.replica.add_cycles(id, T).unwrap();
    let status = net.status(id);
    assert_eq!(status.memory_size, 0_u8);
    assert_eq!(status.idle_cycles_burned_per_day, 0_u8);
    net.check_accounts();
}

/// The figures of a canister of the usual toolchain on a recorded server: a mutable stack pointer
/// and two exported globals, and two changes. Sources: `rs/embedders/src/wasmtime_embedder.rs`,
/// `get_exported_globals`; `rs/replicated_state/src/canister_state/execution_state.rs`,
/// `WasmMetadata`; `CanisterChange::count_bytes` of the management canister's types.
#[test]
fn memory_metrics_count_what_the_platform_counts() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let module = r#"(module
        (global (mut i32) (i32.const 0))
        (global (export "__data_end") i32 (i32.const 0))
        (global (export "__heap_base") i32 (i32.const 0))
        (@custom "name" "not stored for the canister")
        (@custom "icp:public hello" "world")
        (@custom "icp:private abc" "12345678"))"#;
    net.install_as(Install, id, wat::parse_str(module).unwrap(), &[])
        .unwrap();
    let status = net.status(id);
    let metrics = status.memory_metrics;
    assert_eq!(metrics.global_memory_size, 128_u8);
    assert_eq!(metrics.custom_sections_size, 5 + 1 + 5 + 3 + 1 + 8_u8);
    assert_eq!(metrics.canister_history_size, 350_u16);
    let sum = [
        metrics.wasm_memory_size,
        metrics.stable_memory_size,
        metrics.global_memory_size,
        metrics.wasm_binary_size,
        metrics.custom_sections_size,
        metrics.canister_history_size,
        metrics.wasm_chunk_store_size,
        metrics.snapshots_size,
        metrics.log_memory_store_size,
    ]
    .into_iter()
    .fold(Nat::from(0_u8), |sum, part| sum + part);
    assert_eq!(status.memory_size, sum);
}

/// Source: `rs/execution_environment/src/canister_logs.rs`, `fetch_canister_logs`.
#[test]
fn a_canister_that_fetches_logs_attaches_the_price_of_the_longest_and_pays_for_its_bytes() {
    let mut net = Net::new();
    let caller = net.install(CALLER);
    let id = net.create(10 * T);
    let settings = types::CanisterSettings {
        log_visibility: Some(types::LogVisibility::Public),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    let payload = encode(types::FetchCanisterLogsArgs {
        canister_id: id,
        filter: None,
    });
    let most = 13 * (5_000_000 + 80 * 2_000_000);
    let argument = |cycles| call_argument("fetch_canister_logs", cycles, &payload);
    let answer = net.update(caller, "go", &argument(most - 1)).unwrap();
    let text = format!(
        "fetch_canister_logs request sent with {} cycles, but {most} cycles are required.",
        most - 1
    );
    assert_eq!(decode_outcome(&answer), (most - 1, Err((4, text))));
    let answer = net.update(caller, "go", &argument(most)).unwrap();
    let (refund, reply) = decode_outcome(&answer);
    let bytes = reply.unwrap().len() as u128;
    assert_eq!(most - refund, 13 * (5_000_000 + 80 * bytes));
}

/// Source: `rs/cycles_account_manager/src/cycles_account_manager.rs`,
/// `can_withdraw_cycles_with_threshold`.
#[test]
fn a_frozen_canister_takes_no_request() {
    let mut net = Net::new();
    let caller = net.install(FORWARDER);
    let id = net.install(
        r#"(func (export "canister_update x") (call $reply (i32.const 0)))
        (func (export "canister_query q") (call $reply (i32.const 0)))"#,
    );
    let settings = types::CanisterSettings {
        freezing_threshold: Some(Nat::from(u64::MAX)),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    for method in ["x", "q", "missing"] {
        let argument = [id.as_slice(), method.as_bytes()].concat();
        let before = balance(&net, id);
        let code = net.update(caller, "go", &argument).unwrap();
        assert_eq!(code, 2_u32.to_le_bytes(), "{method}");
        assert_eq!(balance(&net, id), before);
    }
}

/// Source: `rs/execution_environment/src/canister_manager.rs`, `create_canister`.
#[test]
fn a_canister_that_a_canister_creates_has_a_memory_limit_of_three_gib() {
    let mut net = Net::new();
    let caller = net.install(CALLER);
    let payload = encode(types::CreateCanisterArgs::default());
    let answer = net.call_through(caller, "create_canister", T, &payload).1;
    let (created,) = candid::decode_args::<(types::CanisterIdRecord,)>(&answer.unwrap()).unwrap();
    let args = encode(types::CanisterIdRecord {
        canister_id: created.canister_id,
    });
    let answer = net.call_through(caller, "canister_status", 0, &args).1;
    let (status,) =
        candid::decode_args::<(types::CanisterStatusResult,)>(&answer.unwrap()).unwrap();
    assert_eq!(status.settings.wasm_memory_limit, 3_u64 << 30);
    // The provisional creation for tests sets no limit.
    let provisional = net.create(T);
    assert_eq!(net.status(provisional).settings.wasm_memory_limit, 0_u8);
}
