//! The management canister, called from outside and by canisters.

use std::collections::BTreeMap;

use candid::Principal;
use canic_replica::{Blockmakers, Ingress, SubnetInfo};
use ic_management_canister_types::{self as types, CanisterInstallMode::Install};

use crate::common::{CALLER, NO_ARGS, Net, T, call_through, canister, encode, record};

#[test]
fn an_install_whose_init_traps_is_a_canister_error_for_the_caller() {
    let mut net = Net::new();
    let proxy = net.install(CALLER);
    let (_, reply) = call_through(
        &mut net,
        proxy,
        "create_canister",
        100,
        &encode(types::CreateCanisterArgs::default()),
    );
    let (created,) = candid::decode_args::<(types::CanisterIdRecord,)>(&reply.unwrap()).unwrap();
    let module = wat::parse_str(
        r#"(module (import "ic0" "trap" (func $trap (param i32 i32)))
        (memory 1) (data (i32.const 0) "no owner")
        (func (export "canister_init") (call $trap (i32.const 0) (i32.const 8))))"#,
    );
    let args = types::InstallCodeArgs {
        mode: Install,
        canister_id: created.canister_id,
        wasm_module: module.unwrap(),
        arg: vec![],
        sender_canister_version: None,
    };
    let (_, reply) = call_through(&mut net, proxy, "install_code", 0, &encode(args));
    let id = created.canister_id;
    let text = format!(
        "IC0503: Error from Canister {id}: Canister called `ic0.trap` with message: 'no owner'."
    );
    assert_eq!(reply.unwrap_err(), (5, text));
}

#[test]
fn bad_arguments_and_unknown_methods_are_rejects_with_a_refund() {
    let mut net = Net::new();
    let proxy = net.install(CALLER);
    for payload in [&b"garbage"[..], b"", b"DIDL", b"DIDL\x00\x00"] {
        let (refund, reply) = call_through(&mut net, proxy, "deposit_cycles", 10, payload);
        let (code, message) = reply.unwrap_err();
        assert_eq!((refund, code), (T, 4));
        assert!(
            message.starts_with("IC0408: Error decoding candid"),
            "{message}"
        );
    }
    // The text names the reason and does not repeat the argument.
    let long = encode("x".repeat(60_000));
    let (_, reply) = call_through(&mut net, proxy, "deposit_cycles", 10, &long);
    let (_, message) = reply.unwrap_err();
    assert!(message.len() < 500, "{} bytes", message.len());
    let (refund, reply) = call_through(&mut net, proxy, "frobnicate", 10, b"");
    let text =
        "Unable to route management canister request frobnicate: MethodNotFound(\"frobnicate\")";
    assert_eq!((refund, reply.unwrap_err()), (T, (3, text.into())));
}

#[test]
fn randomness_differs_from_call_to_call_and_not_from_run_to_run() {
    let run = || {
        let mut net = Net::new();
        let proxy = net.install(CALLER);
        let replies = [0, 1].map(|_| {
            call_through(&mut net, proxy, "raw_rand", 0, b"DIDL\x00\x00")
                .1
                .unwrap()
        });
        replies.map(|reply| candid::decode_args::<(Vec<u8>,)>(&reply).unwrap().0)
    };
    let [first, second] = run();
    assert_eq!(first.len(), 32);
    assert_ne!(first, second);
    assert_eq!(run(), [first, second]);
}

#[test]
fn snapshots_bring_memory_and_code_back() {
    let mut net = Net::new();
    let id = net.install(
        r#"
        (global $g (mut i32) (i32.const 0))
        (func (export "canister_update bump")
            (global.set $g (i32.add (global.get $g) (i32.const 1)))
            (drop (call $stable64_grow (i64.const 1)))
            (call $reply (global.get $g)))
        (func (export "canister_query g") (call $reply (global.get $g)))
        "#,
    );
    net.update(id, "bump", &[]).unwrap();
    let take = |replace| types::TakeCanisterSnapshotArgs {
        canister_id: id,
        replace_snapshot: replace,
        uninstall_code: None,
        sender_canister_version: None,
    };
    let (first,) = net
        .manage::<(types::Snapshot,)>("take_canister_snapshot", (take(None),))
        .unwrap();
    net.update(id, "bump", &[]).unwrap();
    net.install_as(types::CanisterInstallMode::Reinstall, id, canister(""), &[])
        .unwrap();
    let load = |name: &[u8]| types::LoadCanisterSnapshotArgs {
        canister_id: id,
        snapshot_id: name.to_vec(),
        sender_canister_version: None,
    };
    net.manage::<()>("load_canister_snapshot", (load(&first.id),))
        .unwrap();
    assert_eq!(
        (
            net.number(id, "g"),
            net.replica.stable_memory(id).unwrap().len()
        ),
        (1, 65_536)
    );
    let (second,) = net
        .manage::<(types::Snapshot,)>("take_canister_snapshot", (take(Some(first.id.clone())),))
        .unwrap();
    let (list,) = net
        .manage::<(Vec<types::Snapshot>,)>("list_canister_snapshots", record(id))
        .unwrap();
    assert_eq!(list, std::slice::from_ref(&second));
    assert_eq!(
        net.manage::<()>("load_canister_snapshot", (load(&first.id),))
            .unwrap_err()
            .error_code,
        "IC0305"
    );
    let args = types::DeleteCanisterSnapshotArgs {
        canister_id: id,
        snapshot_id: second.id,
    };
    net.manage::<()>("delete_canister_snapshot", (args.clone(),))
        .unwrap();
    assert_eq!(
        net.manage::<()>("delete_canister_snapshot", (args,))
            .unwrap_err()
            .error_code,
        "IC0305"
    );
}

#[test]
fn logs_keep_the_lines_of_messages_that_trapped() {
    let mut net = Net::new();
    let id = net.install(
        r#"
        (data (i32.const 0) "hello")
        (func (export "canister_update go")
            (call $debug_print (i32.const 0) (i32.const 5)) (unreachable))
        "#,
    );
    net.update(id, "go", &[]).unwrap_err();
    let args = encode(types::FetchCanisterLogsArgs {
        canister_id: id,
        filter: None,
    });
    let reply = net
        .query(
            Principal::management_canister(),
            "fetch_canister_logs",
            &args,
        )
        .unwrap();
    let (logs,) = candid::decode_args::<(types::FetchCanisterLogsResult,)>(&reply).unwrap();
    let lines: Vec<_> = logs
        .canister_log_records
        .iter()
        .map(|record| String::from_utf8_lossy(&record.content))
        .collect();
    assert_eq!(lines, ["hello", "[TRAP]: unreachable"]);
    let stranger = Principal::anonymous();
    let query = Ingress {
        sender: stranger,
        ..net.ingress(
            Principal::management_canister(),
            "fetch_canister_logs",
            &args,
        )
    };
    assert!(net.replica.query(query).is_err());
}

#[test]
fn logs_can_be_read_from_one_number_or_time_up_to_another() {
    let mut net = Net::new();
    let id = net.install(
        r#"(func (export "canister_update go")
            (call $debug_print (i32.const 0) (call $argument)) (call $reply (i32.const 0)))"#,
    );
    let mut times = Vec::new();
    for _ in 0..4 {
        net.update(id, "go", &[]).unwrap();
        times.push(net.replica.time());
    }
    let numbers = |net: &mut Net, filter| {
        let args = encode(types::FetchCanisterLogsArgs {
            canister_id: id,
            filter: Some(filter),
        });
        let management = Principal::management_canister();
        let reply = net.query(management, "fetch_canister_logs", &args).unwrap();
        let (logs,) = candid::decode_args::<(types::FetchCanisterLogsResult,)>(&reply).unwrap();
        let records = logs.canister_log_records.into_iter();
        records.map(|record| record.idx).collect::<Vec<_>>()
    };
    let by_idx = |start, end| types::CanisterLogFilter::ByIdx { start, end };
    let by_time = |start, end| types::CanisterLogFilter::ByTimestampNanos { start, end };
    assert_eq!(numbers(&mut net, by_idx(1, 3)), [1, 2]);
    assert_eq!(numbers(&mut net, by_idx(2, u64::MAX)), [2, 3]);
    assert_eq!(numbers(&mut net, by_idx(3, 1)), [0; 0]);
    assert_eq!(numbers(&mut net, by_time(0, times[1])), [0]);
    assert_eq!(numbers(&mut net, by_time(times[1], times[3])), [1, 2]);
}

#[test]
fn unsupported_methods_are_refused_by_name() {
    let mut net = Net::new();
    let caller = net.install(CALLER);
    for method in [
        "bitcoin_get_balance",
        "bitcoin_get_utxos",
        "bitcoin_send_transaction",
        "bitcoin_get_current_fee_percentiles",
        "bitcoin_get_block_headers",
        "rename_canister",
    ] {
        let text = format!(
            "IC0407: Management canister method '{method}' is not supported by this replica."
        );
        let (_, answer) = net.call_through(caller, method, 0, NO_ARGS);
        assert_eq!(answer, Err((4, text)));
    }
}

#[test]
fn canister_info_lists_the_changes_of_a_canister() {
    let mut net = Net::new();
    let id = net.install("");
    let hash = net.status(id).module_hash.unwrap();
    let args = types::CanisterInfoArgs {
        canister_id: id,
        num_requested_changes: Some(5),
    };
    // Only canisters may call it, so a canister forwards the call.
    let reject = net
        .manage::<()>("canister_info", (args.clone(),))
        .unwrap_err();
    assert_eq!(reject.error_code, "IC0406");
    let forwarder = net.install(
        r#"
        (table 2 funcref)
        (elem (i32.const 1) $on_reply)
        (data (i32.const 0) "canister_info")
        (func $on_reply (param i32)
            (call $msg_arg_data_copy (i32.const 2000) (i32.const 0) (call $msg_arg_data_size))
            (call $answer (i32.const 2000) (call $msg_arg_data_size)))
        (func (export "canister_update ask") (local $size i32)
            (local.set $size (call $argument))
            (call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 13)
                (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))
            (call $call_data_append (i32.const 1000) (local.get $size))
            (drop (call $call_perform)))
        "#,
    );
    let reply = net.update(forwarder, "ask", &encode(args)).unwrap();
    let (info,) = candid::decode_args::<(types::CanisterInfoResult,)>(&reply).unwrap();
    assert_eq!(
        (info.total_num_changes, info.module_hash, info.controllers),
        (2, Some(hash.clone()), vec![net.admin])
    );
    let details: Vec<_> = info
        .recent_changes
        .into_iter()
        .filter_map(|change| change.details)
        .collect();
    let creation = types::CreationRecord {
        controllers: vec![net.admin],
        environment_variables_hash: None,
    };
    let deployment = types::CodeDeploymentRecord {
        mode: types::CodeDeploymentMode::Install,
        module_hash: hash,
    };
    assert_eq!(
        details,
        [
            types::ChangeDetails::Creation(creation),
            types::ChangeDetails::CodeDeployment(deployment)
        ]
    );
}

/// The argument is a `record { 0 : vec null }` with 2^60 elements in a few bytes.
#[test]
fn a_small_argument_cannot_make_the_replica_work_for_ever() {
    let mut net = Net::new();
    let mut hostile = b"DIDL\x02\x6c\x01\x00\x01\x6d\x7f\x01\x00".to_vec();
    hostile.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    let proxy = net.install(CALLER);
    let (_, reply) = call_through(&mut net, proxy, "deposit_cycles", 10, &hostile);
    let (code, message) = reply.unwrap_err();
    assert_eq!(code, 4, "{message}");
    let management = Principal::management_canister();
    assert!(net.update(management, "canister_status", &hostile).is_err());
}

#[test]
fn a_long_argument_pays_for_its_reception_and_that_of_a_stranger_is_refused() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let module = canister(&format!(r#"(data (i32.const 0) "{}")"#, "x".repeat(50_000)));
    let before = net.replica.accounts().fees.ingress;
    net.install_as(Install, id, module.clone(), &[]).unwrap();
    let paid = net.replica.accounts().fees.ingress - before;
    assert!(paid > 50_000 * 2_000, "{paid}");

    let args = types::InstallCodeArgs {
        mode: types::CanisterInstallMode::Reinstall,
        canister_id: id,
        wasm_module: module,
        arg: Vec::new(),
        sender_canister_version: None,
    };
    let payload = candid::encode_args((args,)).unwrap();
    let ingress = Ingress {
        sender: Principal::self_authenticating("stranger"),
        ..net.ingress(Principal::management_canister(), "install_code", &payload)
    };
    let reject = net.replica.submit(ingress).unwrap_err();
    assert_eq!(reject.error_code, "IC0512");
}

#[test]
fn canisters_read_public_metadata_and_controllers_private_metadata() {
    let mut net = Net::new();
    let caller = net.install(CALLER);
    let id = net.install(r#"(@custom "icp:public open" "1") (@custom "icp:private closed" "2")"#);
    let empty = net.create(T);
    let ask = |net: &mut Net, canister_id: Principal, name: &str| {
        let name = name.into();
        let args = types::CanisterMetadataArgs { canister_id, name };
        let (_, answer) = net.call_through(caller, "canister_metadata", 0, &encode(args));
        let decode = |reply: Vec<u8>| {
            candid::decode_args::<(types::CanisterMetadataResult,)>(&reply)
                .unwrap()
                .0
                .value
        };
        answer.map(decode)
    };
    let missing = |name: &str| {
        let text = format!("The canister {id} has no metadata section with the name {name}.");
        Err((4, text))
    };
    assert_eq!(ask(&mut net, id, "open"), Ok(b"1".to_vec()));
    assert_eq!(ask(&mut net, id, "closed"), missing("closed"));
    assert_eq!(ask(&mut net, id, "other"), missing("other"));
    let text =
        format!("The canister {empty} has no Wasm module and hence no metadata is available.");
    assert_eq!(ask(&mut net, empty, "open"), Err((4, text)));
    let settings = types::CanisterSettings {
        controllers: Some(vec![net.admin, caller]),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    assert_eq!(ask(&mut net, id, "closed"), Ok(b"2".to_vec()));
}

/// The reply that `caller` gets from `node_metrics_history`.
fn history(
    net: &mut Net,
    caller: Principal,
    subnet_id: Principal,
    start_at_timestamp_nanos: u64,
) -> Result<types::NodeMetricsHistoryResult, (u32, String)> {
    let args = types::NodeMetricsHistoryArgs {
        subnet_id,
        start_at_timestamp_nanos,
    };
    let (_, answer) = net.call_through(caller, "node_metrics_history", 0, &encode(args));
    let decode = |reply: Vec<u8>| {
        candid::decode_args::<(types::NodeMetricsHistoryResult,)>(&reply)
            .unwrap()
            .0
    };
    answer.map(decode)
}

/// The blocks that each node proposed and failed to propose, in the first day of a history.
fn totals(days: &types::NodeMetricsHistoryResult) -> BTreeMap<Principal, (u64, u64)> {
    let nodes = days[0].node_metrics.iter();
    nodes
        .map(|node| {
            let totals = (
                node.num_blocks_proposed_total,
                node.num_block_failures_total,
            );
            (node.node_id, totals)
        })
        .collect()
}

#[test]
fn node_metrics_count_the_blocks_of_a_subnet_day_by_day() {
    let mut net = Net::new();
    let caller = net.install(CALLER);
    let subnet = SubnetInfo::clone(net.replica.subnets()[0]);
    let today = net.replica.time();
    let blocks = history(&mut net, caller, subnet.id, 0).unwrap();
    let counted = |record: &types::NodeMetricsHistoryRecord| {
        let metrics = &record.node_metrics[0];
        (metrics.node_id, metrics.num_blocks_proposed_total)
    };
    let (node, before) = counted(&blocks[0]);
    assert_eq!((blocks.len(), node), (1, subnet.nodes[0]));
    let tomorrow = today + 24 * 3600 * 1_000_000_000;
    net.replica.set_time(tomorrow).unwrap();
    net.replica.tick();
    let blocks = history(&mut net, caller, subnet.id, tomorrow).unwrap();
    assert_eq!(blocks.len(), 1);
    assert!(counted(&blocks[0]).1 > before);
    assert_eq!(history(&mut net, caller, subnet.id, 0).unwrap().len(), 2);
    assert_eq!(history(&mut net, caller, caller, 0).unwrap_err().0, 3);

    // Another node makes a block, after two nodes failed to.
    let [first, second, third] = [0, 1, 2].map(|index| subnet.nodes[index]);
    let made_by = |subnet: Principal, blockmaker: Principal| Blockmakers {
        subnet,
        blockmaker,
        failed: vec![third, first],
    };
    assert_eq!(totals(&blocks).len(), 1);
    net.replica
        .tick_with(vec![made_by(subnet.id, second)])
        .unwrap();
    let after = totals(&history(&mut net, caller, subnet.id, tomorrow).unwrap());
    assert_eq!(
        (after[&second], after[&third], after[&first].1),
        ((1, 0), (0, 1), 1)
    );
    for (subnet_id, blockmaker) in [(caller, second), (subnet.id, caller)] {
        let round = net.replica.trace().last().unwrap().round;
        net.replica
            .tick_with(vec![made_by(subnet_id, blockmaker)])
            .unwrap_err();
        assert_eq!(net.replica.trace().last().unwrap().round, round);
    }

    let args = encode(types::SubnetInfoArgs {
        subnet_id: subnet.id,
    });
    let (_, reply) = net.call_through(caller, "subnet_info", 0, &args);
    let (info,) = candid::decode_args::<(types::SubnetInfoResult,)>(&reply.unwrap()).unwrap();
    assert!(info.replica_version.starts_with("canic-replica"));
}
