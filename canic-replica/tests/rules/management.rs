//! The management canister, called from outside and by canisters.

use crate::common::{Net, T, canister, record};
use candid::{Nat, Principal};
use canic_replica::{Ingress, Kind, Outcome, RejectCode, SubnetKind};
use ic_management_canister_types as types;
use types::CanisterInstallMode::Install;

/// Sends its argument to the management canister: first byte which method, second how many tenths of T cycles, then the
/// payload. Passes on the refund and the reply, or the refund, the reject code and the message.
fn proxy() -> String {
    let names = [
        "create_canister",
        "install_code",
        "deposit_cycles",
        "raw_rand",
        "stop_canister",
        "frobnicate",
    ];
    let mut body = String::from(
        r#"
        (table 4 funcref)
        (elem (i32.const 1) $on_reply $on_reject)
        (func $on_reply (param i32)
            (call $msg_cycles_refunded128 (i32.const 20000))
            (call $msg_arg_data_copy (i32.const 20016) (i32.const 0) (call $msg_arg_data_size))
            (call $answer (i32.const 20000) (i32.add (i32.const 16) (call $msg_arg_data_size))))
        (func $on_reject (param i32)
            (call $msg_cycles_refunded128 (i32.const 20000))
            (i32.store (i32.const 20016) (call $msg_reject_code))
            (call $msg_reject_msg_copy (i32.const 20020) (i32.const 0) (call $msg_reject_msg_size))
            (call $answer (i32.const 20000) (i32.add (i32.const 20) (call $msg_reject_msg_size))))
        (func (export "canister_update go") (local $size i32)
            (local.set $size (call $argument))
        "#,
    );
    for (index, name) in names.iter().enumerate() {
        body += &format!(
            r#"(if (i32.eq (i32.load8_u (i32.const 1000)) (i32.const {index})) (then
                (call $call_new (i32.const 0) (i32.const 0) (i32.const {at}) (i32.const {size})
                    (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 0))))"#,
            at = index * 30,
            size = name.len()
        );
    }
    body += r#"
            (call $call_cycles_add128 (i64.const 0)
                (i64.mul (i64.load8_u (i32.const 1001)) (i64.const 100000000000)))
            (call $call_data_append (i32.const 1002) (i32.sub (local.get $size) (i32.const 2)))
            (if (call $call_perform) (then (unreachable))))
    "#;
    for (index, name) in names.iter().enumerate() {
        body += &format!("(data (i32.const {}) \"{name}\")", index * 30);
    }
    body
}

const CREATE: u8 = 0;
const INSTALL: u8 = 1;
const DEPOSIT: u8 = 2;
const RANDOM: u8 = 3;
const STOP: u8 = 4;
const FROBNICATE: u8 = 5;

/// What came back: the refund, and the reply or code and message.
fn through(
    net: &mut Net,
    proxy: Principal,
    method: u8,
    tenths: u8,
    payload: &[u8],
) -> (u128, Result<Vec<u8>, (u32, String)>) {
    let argument = [&[method, tenths], payload].concat();
    let answer = net.update(proxy, "go", &argument).unwrap();
    let refund = u128::from_le_bytes(answer[..16].try_into().unwrap());
    let rest = &answer[16..];
    if rest.starts_with(b"DIDL") || rest.is_empty() {
        return (refund, Ok(rest.to_vec()));
    }
    let code = u32::from_le_bytes(rest[..4].try_into().unwrap());
    (
        refund,
        Err((code, String::from_utf8(rest[4..].to_vec()).unwrap())),
    )
}

fn encode(value: impl candid::CandidType) -> Vec<u8> {
    candid::encode_args((value,)).unwrap()
}

#[test]
fn a_canister_creates_a_canister_with_what_it_attaches_less_the_fee() {
    let mut net = Net::new();
    let proxy = net.install(&proxy());
    let (refund, reply) = through(
        &mut net,
        proxy,
        CREATE,
        20,
        &encode(types::CreateCanisterArgs::default()),
    );
    let (created,) = candid::decode_args::<(types::CanisterIdRecord,)>(&reply.unwrap()).unwrap();
    assert_eq!(
        (refund, net.replica.cycles(created.canister_id)),
        (0, Some(T * 3 / 2))
    );
    assert_eq!(
        net.replica.controllers(created.canister_id),
        Some(vec![proxy])
    );
    assert_eq!(net.replica.accounts().fees.creation, T / 2);
    let calls: Vec<_> = net
        .events(Kind::Management)
        .into_iter()
        .filter(|event| event.caller == proxy)
        .collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (calls[0].method.as_str(), &calls[0].outcome, calls[0].cycles),
        ("create_canister", &Outcome::Reply, 2 * T)
    );
}

#[test]
fn creation_below_the_fee_is_refused_and_refunded() {
    let mut net = Net::new();
    let proxy = net.install(&proxy());
    let count = net.replica.canisters().len();
    let (refund, reply) = through(
        &mut net,
        proxy,
        CREATE,
        4,
        &encode(types::CreateCanisterArgs::default()),
    );
    let (code, message) = reply.unwrap_err();
    assert_eq!((refund, code), (T * 4 / 10, 4));
    assert!(
        message.starts_with("IC0403: Creating a canister requires a fee of 500000000000"),
        "{message}"
    );
    assert_eq!(net.replica.canisters().len(), count);
}

#[test]
fn an_install_whose_init_traps_is_a_canister_error_for_the_caller() {
    let mut net = Net::new();
    let proxy = net.install(&proxy());
    let (_, reply) = through(
        &mut net,
        proxy,
        CREATE,
        100,
        &encode(types::CreateCanisterArgs::default()),
    );
    let (created,) = candid::decode_args::<(types::CanisterIdRecord,)>(&reply.unwrap()).unwrap();
    let module = wat::parse_str(
        r#"(module (import "ic0" "trap" (func $trap (param i32 i32))) (memory 1) (data (i32.const 0) "no owner")
        (func (export "canister_init") (call $trap (i32.const 0) (i32.const 8))))"#,
    );
    let args = types::InstallCodeArgs {
        mode: Install,
        canister_id: created.canister_id,
        wasm_module: module.unwrap(),
        arg: vec![],
        sender_canister_version: None,
    };
    let (_, reply) = through(&mut net, proxy, INSTALL, 0, &encode(args));
    let id = created.canister_id;
    let text = format!(
        "IC0503: Error from Canister {id}: Canister called `ic0.trap` with message: 'no owner'."
    );
    assert_eq!(reply.unwrap_err(), (5, text));
}

#[test]
fn bad_arguments_and_unknown_methods_are_rejects_with_a_refund() {
    let mut net = Net::new();
    let proxy = net.install(&proxy());
    for payload in [&b"garbage"[..], b"", b"DIDL", b"DIDL\x00\x00"] {
        let (refund, reply) = through(&mut net, proxy, DEPOSIT, 10, payload);
        let (code, message) = reply.unwrap_err();
        assert_eq!((refund, code), (T, 4));
        assert!(
            message.starts_with("IC0408: Error decoding candid"),
            "{message}"
        );
    }
    let (refund, reply) = through(&mut net, proxy, FROBNICATE, 10, b"");
    let text = "IC0407: Management canister has no method 'frobnicate'";
    assert_eq!((refund, reply.unwrap_err()), (T, (4, text.into())));
}

#[test]
fn deposits_arrive_and_those_for_nobody_come_back() {
    let mut net = Net::new();
    let proxy = net.install(&proxy());
    let target = net.create(T);
    let (refund, _) = through(&mut net, proxy, DEPOSIT, 10, &encode(record(target).0));
    assert_eq!((refund, net.replica.cycles(target)), (0, Some(2 * T)));
    let nobody = Principal::from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xe0, 0x77, 0, 1, 1]);
    let (refund, reply) = through(&mut net, proxy, DEPOSIT, 10, &encode(record(nobody).0));
    assert_eq!((refund, reply.unwrap_err().0), (T, 3));
}

#[test]
fn randomness_differs_from_call_to_call_and_not_from_run_to_run() {
    let run = || {
        let mut net = Net::new();
        let proxy = net.install(&proxy());
        let draws = [0, 1].map(|_| {
            through(&mut net, proxy, RANDOM, 0, b"DIDL\x00\x00")
                .1
                .unwrap()
        });
        draws.map(|draw| candid::decode_args::<(Vec<u8>,)>(&draw).unwrap().0)
    };
    let [first, second] = run();
    assert_eq!(first.len(), 32);
    assert_ne!(first, second);
    assert_eq!(run(), [first, second]);
}

#[test]
fn only_controllers_control() {
    let mut net = Net::new();
    let id = net.create(T);
    let stranger = Principal::self_authenticating("stranger");
    for method in [
        "stop_canister",
        "start_canister",
        "canister_status",
        "delete_canister",
        "uninstall_code",
    ] {
        let reject = net
            .manage_as::<()>(stranger, method, record(id))
            .unwrap_err();
        assert_eq!(
            (reject.code, reject.error_code.as_str()),
            (RejectCode::CanisterError, "IC0512"),
            "{method}"
        );
        assert!(!reject.certified, "{method} is not even taken in");
    }
    assert_eq!(net.replica.cycles(id), Some(T), "nobody spends its cycles");
}

#[test]
fn settings_change_and_are_checked() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let mut update = |settings: types::CanisterSettings| {
        let args = types::UpdateSettingsArgs {
            canister_id: id,
            settings,
            sender_canister_version: None,
        };
        net.manage::<()>("update_settings", (args,))
    };
    let variable = |name: &str| types::EnvironmentVariable {
        name: name.into(),
        value: "v".into(),
    };
    let default = types::CanisterSettings::default;
    let many = (0..11)
        .map(|i| Principal::self_authenticating([i]))
        .collect();
    let bad = [
        types::CanisterSettings {
            controllers: Some(many),
            ..default()
        },
        types::CanisterSettings {
            compute_allocation: Some(Nat::from(101_u8)),
            ..default()
        },
        types::CanisterSettings {
            wasm_memory_threshold: Some(Nat::from(1_u128 << 64)),
            ..default()
        },
        types::CanisterSettings {
            freezing_threshold: Some(Nat::from(u128::MAX)),
            ..default()
        },
        types::CanisterSettings {
            environment_variables: Some(vec![variable("a"), variable("a")]),
            ..default()
        },
        types::CanisterSettings {
            environment_variables: Some(vec![variable(&"a".repeat(129))]),
            ..default()
        },
    ];
    for settings in bad {
        assert_eq!(update(settings).unwrap_err().error_code, "IC0408");
    }
    update(types::CanisterSettings {
        freezing_threshold: Some(Nat::from(7_u8)),
        environment_variables: Some(vec![variable("a")]),
        log_visibility: Some(types::LogVisibility::Public),
        ..default()
    })
    .unwrap();
    let settings = net.status(id).settings;
    assert_eq!(settings.freezing_threshold, Nat::from(7_u8));
    assert_eq!(settings.environment_variables, [variable("a")]);
    assert_eq!(settings.log_visibility, types::LogVisibility::Public);
    assert_eq!(settings.controllers, [net.admin]);
}

/// Waits for a canister that never answers of its own accord: itself is stopped by others meanwhile.
#[test]
fn stopping_waits_for_open_calls() {
    let mut net = Net::new();
    let proxy = net.install(&proxy());
    let random = Ingress {
        payload: vec![RANDOM, 0, b'D', b'I', b'D', b'L', 0, 0],
        ..net.ingress(proxy, "go", &[])
    };
    let open = net.replica.submit(random).unwrap();
    net.replica.tick();
    let stop = net.ingress(
        Principal::management_canister(),
        "stop_canister",
        &encode(record(proxy).0),
    );
    let stop = net.replica.submit(stop).unwrap();
    net.replica.tick();
    // The call is still open: the canister is stopping, takes no new calls, and the stopper waits.
    assert_eq!(
        net.replica
            .submit(net.ingress(proxy, "go", &[0, 0]))
            .unwrap_err()
            .error_code,
        "IC0509"
    );
    assert!(matches!(
        net.replica.ingress_status(&stop),
        canic_replica::IngressStatus::Received
    ));
    net.replica.tick();
    assert!(net.replica.await_ingress(&open).unwrap().is_ok());
    assert!(net.replica.await_ingress(&stop).unwrap().is_ok());
    assert_eq!(net.status(proxy).status, types::CanisterStatusType::Stopped);
    net.manage::<()>("start_canister", record(proxy)).unwrap();
    assert_eq!(net.status(proxy).status, types::CanisterStatusType::Running);
    net.check_accounts();
}

/// A canister that stops itself waits for itself for ever.
#[test]
fn a_stop_request_gives_up_after_five_minutes() {
    let mut net = Net::new();
    let proxy = net.install(&proxy());
    let args = types::UpdateSettingsArgs {
        canister_id: proxy,
        settings: types::CanisterSettings {
            controllers: Some(vec![net.admin, proxy]),
            ..Default::default()
        },
        sender_canister_version: None,
    };
    net.manage::<()>("update_settings", (args,)).unwrap();
    let argument = [&[STOP, 0], encode(record(proxy).0).as_slice()].concat();
    let message = net
        .replica
        .submit(net.ingress(proxy, "go", &argument))
        .unwrap();
    assert!(net.replica.await_ingress(&message).is_err());
    let later = net.replica.time() + 300_000_000_000;
    net.replica.set_time(later).unwrap();
    let answer = net.replica.await_ingress(&message).unwrap().unwrap();
    assert_eq!(answer[16..20], 2_u32.to_le_bytes());
    assert!(String::from_utf8_lossy(&answer[20..]).starts_with("IC0206"));
    net.check_accounts();
}

#[test]
fn deleting_takes_a_stopped_canister_and_destroys_its_cycles() {
    let mut net = Net::new();
    let id = net.create(7 * T);
    assert_eq!(
        net.manage::<()>("delete_canister", record(id))
            .unwrap_err()
            .error_code,
        "IC0510"
    );
    net.manage::<()>("stop_canister", record(id)).unwrap();
    let left = net.replica.cycles(id).unwrap();
    net.manage::<()>("delete_canister", record(id)).unwrap();
    let reception = left - net.replica.accounts().destroyed;
    assert!(reception > 0 && reception < T / 1000, "{reception}");
    assert!(!net.replica.canister_exists(id));
    assert_eq!(net.update(id, "x", &[]).unwrap_err().error_code, "IC0301");
    assert_ne!(net.create(T), id);
}

#[test]
fn an_uninstall_rejects_what_is_open() {
    let mut net = Net::new();
    let proxy = net.install(&proxy());
    let argument = [RANDOM, 0, b'D', b'I', b'D', b'L', 0, 0];
    let open = net
        .replica
        .submit(net.ingress(proxy, "go", &argument))
        .unwrap();
    net.replica.tick();
    let args = types::UninstallCodeArgs {
        canister_id: proxy,
        sender_canister_version: None,
    };
    net.manage::<()>("uninstall_code", (args,)).unwrap();
    let reject = net.replica.await_ingress(&open).unwrap().unwrap_err();
    assert_eq!(reject.message, "Canister has been uninstalled.");
    // The late answer runs into nothing, and the canister can stop.
    net.manage::<()>("stop_canister", record(proxy)).unwrap();
    net.check_accounts();
}

#[test]
fn canister_ids_can_be_chosen_within_the_ranges_and_once() {
    let mut net = Net::with(vec![SubnetKind::NNS, SubnetKind::Application]);
    let create = |net: &mut Net, id: &str| {
        let args = types::ProvisionalCreateCanisterWithCyclesArgs {
            amount: None,
            settings: None,
            specified_id: Some(Principal::from_text(id).unwrap()),
            sender_canister_version: None,
        };
        net.manage::<(types::CanisterIdRecord,)>("provisional_create_canister_with_cycles", (args,))
    };
    let ledger = "ryjl3-tyaaa-aaaaa-aaaba-cai";
    let id = create(&mut net, ledger).unwrap().0.canister_id;
    assert_eq!(
        (id.to_text().as_str(), net.replica.subnet_of(id)),
        (ledger, Some(net.replica.subnets()[0].id))
    );
    assert_eq!(create(&mut net, ledger).unwrap_err().error_code, "IC0205");
    assert_eq!(
        create(&mut net, "aaaaa-aa").unwrap_err().error_code,
        "IC0405"
    );
    // On PocketIC, too, this is the first canister of the first application subnet beside no other.
    let mut other = Net::new();
    assert_eq!(other.create(T).to_text(), "lxzze-o7777-77777-aaaaa-cai");
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
fn logs_keep_what_was_printed_even_by_messages_that_trapped() {
    let mut net = Net::new();
    let id = net.install(
        r#"
        (data (i32.const 0) "hello")
        (func (export "canister_update go") (call $debug_print (i32.const 0) (i32.const 5)) (unreachable))
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
fn what_the_replica_does_not_have_is_refused_by_name() {
    let mut net = Net::new();
    let ingress = net.ingress(
        Principal::management_canister(),
        "sign_with_ecdsa",
        b"DIDL\x00\x00",
    );
    let reject = net.send(ingress).unwrap_err();
    assert_eq!(
        reject.message,
        "Management canister method 'sign_with_ecdsa' is not supported by this replica."
    );
}

#[test]
fn history_tells_what_happened() {
    let mut net = Net::new();
    let id = net.install("");
    let hash = net.status(id).module_hash.unwrap();
    let args = types::CanisterInfoArgs {
        canister_id: id,
        num_requested_changes: Some(5),
    };
    // Only canisters may ask: one that passes the question on.
    let reject = net
        .manage::<()>("canister_info", (args.clone(),))
        .unwrap_err();
    assert_eq!(reject.error_code, "IC0406");
    let asker = net.install(
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
    let reply = net.update(asker, "ask", &encode(args)).unwrap();
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

/// `record { 0 : vec null }` with 2^60 elements in a few bytes.
#[test]
fn a_small_argument_cannot_make_the_replica_work_for_ever() {
    let mut net = Net::new();
    let mut hostile = b"DIDL\x02\x6c\x01\x00\x01\x6d\x7f\x01\x00".to_vec();
    hostile.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    let proxy = net.install(&proxy());
    let (_, reply) = through(&mut net, proxy, DEPOSIT, 10, &hostile);
    let (code, message) = reply.unwrap_err();
    assert_eq!(code, 4, "{message}");
    let management = Principal::management_canister();
    assert!(net.update(management, "canister_status", &hostile).is_err());
}

#[test]
fn a_long_argument_pays_for_its_reception_and_a_strangers_is_turned_away() {
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
