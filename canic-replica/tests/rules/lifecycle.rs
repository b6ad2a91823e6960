//! Creation, funding, stop, start and deletion of canisters.

use candid::{Nat, Principal};
use canic_replica::{
    EffectivePrincipal, Ingress, IngressStatus, Kind, Outcome, Reject, SubnetKind,
};
use ic_management_canister_types::{self as types, CanisterInstallMode::Install};
use sha2::{Digest, Sha256};

use crate::common::{
    CALLER, NO_ARGS, Net, T, call_argument, call_through, canister, decode_outcome, encode, record,
};

/// The reply that `caller` gets from `canister_info`.
fn info(net: &mut Net, caller: Principal, id: Principal) -> types::CanisterInfoResult {
    let args = types::CanisterInfoArgs {
        canister_id: id,
        num_requested_changes: Some(20),
    };
    let (_, reply) = net.call_through(caller, "canister_info", 0, &encode(args));
    candid::decode_args::<(types::CanisterInfoResult,)>(&reply.unwrap())
        .unwrap()
        .0
}

#[test]
fn a_created_canister_gets_the_attached_cycles_less_the_fee() {
    let mut net = Net::new();
    let proxy = net.install(CALLER);
    let (refund, reply) = call_through(
        &mut net,
        proxy,
        "create_canister",
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
    let proxy = net.install(CALLER);
    let count = net.replica.canisters().len();
    let (refund, reply) = call_through(
        &mut net,
        proxy,
        "create_canister",
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
fn deposits_arrive_and_those_for_missing_canisters_come_back() {
    let mut net = Net::new();
    let proxy = net.install(CALLER);
    let target = net.create(T);
    let (refund, _) = call_through(
        &mut net,
        proxy,
        "deposit_cycles",
        10,
        &encode(record(target).0),
    );
    assert_eq!((refund, net.replica.cycles(target)), (0, Some(2 * T)));
    let nobody = Principal::from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xe0, 0x77, 0, 1, 1]);
    let (refund, reply) = call_through(
        &mut net,
        proxy,
        "deposit_cycles",
        10,
        &encode(record(nobody).0),
    );
    assert_eq!((refund, reply.unwrap_err().0), (T, 3));
}

/// A canister waits for an answer while its controller stops it.
#[test]
fn stopping_waits_for_open_calls() {
    let mut net = Net::new();
    let proxy = net.install(CALLER);
    let random = Ingress {
        payload: call_argument("raw_rand", 0, NO_ARGS),
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
    // The call is still open: the canister is stopping and takes no new calls, and the stop request
    // waits.
    assert_eq!(
        net.replica
            .submit(net.ingress(proxy, "go", &call_argument("raw_rand", 0, NO_ARGS)))
            .unwrap_err()
            .error_code,
        "IC0509"
    );
    assert!(matches!(
        net.replica.ingress_status(&stop),
        IngressStatus::Processing
    ));
    net.replica.tick();
    assert!(net.replica.await_ingress(&open).unwrap().is_ok());
    assert!(net.replica.await_ingress(&stop).unwrap().is_ok());
    assert_eq!(net.status(proxy).status, types::CanisterStatusType::Stopped);
    net.manage::<()>("start_canister", record(proxy)).unwrap();
    assert_eq!(net.status(proxy).status, types::CanisterStatusType::Running);
    net.check_accounts();
}

/// A canister that stops itself waits for its own call, until the stop request times out.
#[test]
fn a_stop_request_times_out_after_five_minutes() {
    let mut net = Net::new();
    let proxy = net.install(CALLER);
    let args = types::UpdateSettingsArgs {
        canister_id: proxy,
        settings: types::CanisterSettings {
            controllers: Some(vec![net.admin, proxy]),
            ..Default::default()
        },
        sender_canister_version: None,
    };
    net.manage::<()>("update_settings", (args,)).unwrap();
    let argument = call_argument("stop_canister", 0, &encode(record(proxy).0));
    let message = net
        .replica
        .submit(net.ingress(proxy, "go", &argument))
        .unwrap();
    assert!(net.replica.await_ingress(&message).is_err());
    let later = net.replica.time() + 300_000_000_000;
    net.replica.set_time(later).unwrap();
    let answer = net.replica.await_ingress(&message).unwrap().unwrap();
    let (_, answer) = decode_outcome(&answer);
    let text = "IC0206: Stop canister request timed out";
    assert_eq!(answer, Err((2, text.into())));
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
fn an_uninstall_rejects_open_calls() {
    let mut net = Net::new();
    let proxy = net.install(CALLER);
    let argument = call_argument("raw_rand", 0, NO_ARGS);
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
    // The late answer finds no callback, and the canister can stop.
    net.manage::<()>("stop_canister", record(proxy)).unwrap();
    net.check_accounts();
}

#[test]
fn canister_ids_can_be_chosen_within_the_ranges_and_once() {
    let mut net = Net::with(vec![SubnetKind::NNS, SubnetKind::Application]);
    let create = |net: &mut Net, id: &str, subnet: usize| {
        let args = types::ProvisionalCreateCanisterWithCyclesArgs {
            amount: None,
            settings: None,
            specified_id: Some(Principal::from_text(id).unwrap()),
            sender_canister_version: None,
        };
        let management = Principal::management_canister();
        let method = "provisional_create_canister_with_cycles";
        let mut ingress = net.ingress(management, method, &encode(args));
        // The client routes it to the subnet that hosts the id.
        ingress.effective = Some(EffectivePrincipal::Subnet(net.replica.subnets()[subnet].id));
        let reply = net.send(ingress)?;
        Ok::<_, Reject>(candid::decode_args::<(types::CanisterIdRecord,)>(&reply).unwrap())
    };
    let ledger = "ryjl3-tyaaa-aaaaa-aaaba-cai";
    let id = create(&mut net, ledger, 0).unwrap().0.canister_id;
    assert_eq!(
        (id.to_text().as_str(), net.replica.subnet_of(id)),
        (ledger, Some(net.replica.subnets()[0].id))
    );
    let governance = "rrkah-fqaaa-aaaaa-aaaaq-cai";
    let fresh = net.replica.default_effective_canister().to_text();
    for (id, subnet, code) in [
        (ledger, 0, "IC0538"),
        (governance, 1, "IC0405"),
        ("aaaaa-aa", 0, "IC0405"),
        (&fresh, 1, "IC0408"),
    ] {
        let reject = create(&mut net, id, subnet).unwrap_err();
        assert_eq!(reject.error_code, code, "{id}");
    }
    // PocketIC gives the same id to the first canister of an instance with one application subnet.
    let mut other = Net::new();
    assert_eq!(other.create(T).to_text(), "lxzze-o7777-77777-aaaaa-cai");
}

#[test]
fn a_top_up_without_an_amount_is_the_default_one() {
    #[derive(candid::CandidType)]
    struct Args {
        canister_id: Principal,
    }
    let mut net = Net::new();
    let id = net.create(T);
    net.manage::<()>("provisional_top_up_canister", (Args { canister_id: id },))
        .unwrap();
    // The canister is not charged for the reception.
    assert_eq!(net.replica.cycles(id), Some(101 * T));
}

/// A new empty canister on a subnet.
fn create_on(net: &mut Net, subnet: Principal) -> Principal {
    let args = types::ProvisionalCreateCanisterWithCyclesArgs {
        amount: None,
        settings: None,
        specified_id: None,
        sender_canister_version: None,
    };
    let management = Principal::management_canister();
    let method = "provisional_create_canister_with_cycles";
    let mut ingress = net.ingress(management, method, &encode(args));
    ingress.effective = Some(EffectivePrincipal::Subnet(subnet));
    let reply = net.send(ingress).unwrap();
    let (created,) = candid::decode_args::<(types::CanisterIdRecord,)>(&reply).unwrap();
    created.canister_id
}

/// A canister on the subnet `own` that passes calls on to the subnet `target`, by its id.
fn caller_of_subnet(net: &mut Net, own: Principal, target: Principal) -> Principal {
    let created = create_on(net, own);
    let call = CALLER.replace(
        "(call $call_new (i32.const 0) (i32.const 0)",
        &format!(
            "(call $call_new (i32.const 30000) (i32.const {})",
            target.as_slice().len()
        ),
    );
    let name: String = target
        .as_slice()
        .iter()
        .map(|b| format!("\\{b:02x}"))
        .collect();
    let module = canister(&format!("{call} (data (i32.const 30000) \"{name}\")"));
    net.install_as(Install, created, module, &[]).unwrap();
    created
}

#[test]
fn a_subnet_answers_about_its_own_canisters_only() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Application]);
    let [here, there] = [0, 1].map(|index| net.replica.subnets()[index].id);
    let [near, far] = [here, there].map(|subnet| create_on(&mut net, subnet));
    let asks_here = caller_of_subnet(&mut net, here, here);
    let asks_there = caller_of_subnet(&mut net, here, there);
    let mut ask = |caller, canister_id| {
        let arguments = encode(types::CanisterInfoArgs {
            canister_id,
            num_requested_changes: None,
        });
        let (_, reply) = net.call_through(caller, "canister_info", 0, &arguments);
        reply.map(|_| ())
    };
    assert_eq!(
        (ask(asks_here, near), ask(asks_there, far)),
        (Ok(()), Ok(()))
    );
    for (caller, id) in [(asks_here, far), (asks_there, near)] {
        let missing = Err((3, format!("IC0301: Canister {id} not found")));
        assert_eq!(ask(caller, id), missing);
    }
}

#[test]
fn a_canister_creates_on_its_own_subnet_and_one_of_the_nns_on_all() {
    let mut net = Net::with(vec![SubnetKind::NNS, SubnetKind::Application]);
    let [nns, app] = [0, 1].map(|index| net.replica.subnets()[index].id);
    let mut creates = |own: Principal, target: Principal| {
        let creator = caller_of_subnet(&mut net, own, target);
        let arguments = encode(types::CreateCanisterArgs::default());
        net.call_through(creator, "create_canister", T, &arguments)
            .1
    };
    assert!(creates(app, app).is_ok());
    assert!(creates(nns, app).is_ok());
    let text = format!(
        "IC0504: Incorrect sender subnet id: {app}. Sender should be on the same subnet or on the \
         NNS subnet."
    );
    assert_eq!(creates(app, nns), Err((5, text)));
}

#[test]
fn a_refused_creation_uses_up_no_id() {
    let mut net = Net::new();
    let first = net.create(T);
    let args = types::ProvisionalCreateCanisterWithCyclesArgs {
        amount: None,
        settings: Some(types::CanisterSettings {
            compute_allocation: Some(Nat::from(101_u8)),
            ..Default::default()
        }),
        specified_id: None,
        sender_canister_version: None,
    };
    net.manage::<()>("provisional_create_canister_with_cycles", (args,))
        .unwrap_err();
    let second = net.create(T);
    let number = |id: Principal| u64::from_be_bytes(id.as_slice()[..8].try_into().unwrap());
    assert_eq!(number(second), number(first) + 1);
}

#[test]
fn creation_is_recorded_with_the_hash_of_the_environment() {
    let mut net = Net::new();
    let caller = net.install(CALLER);
    let variable = |name: &str, value: &str| types::EnvironmentVariable {
        name: name.into(),
        value: value.into(),
    };
    let args = types::CreateCanisterArgs {
        settings: Some(types::CanisterSettings {
            environment_variables: Some(vec![variable("a", "1"), variable("b", "2")]),
            ..Default::default()
        }),
        sender_canister_version: Some(1),
    };
    let (_, reply) = net.call_through(caller, "create_canister", T, &encode(args));
    let (created,) = candid::decode_args::<(types::CanisterIdRecord,)>(&reply.unwrap()).unwrap();
    let info = info(&mut net, caller, created.canister_id);
    let mut pairs = [("a", "1"), ("b", "2")]
        .map(|(name, value)| [Sha256::digest(name), Sha256::digest(value)].concat());
    pairs.sort();
    let creation = types::CreationRecord {
        controllers: vec![caller],
        environment_variables_hash: Some(Sha256::digest(pairs.concat()).to_vec()),
    };
    let change = &info.recent_changes[0];
    assert_eq!(
        change.details,
        Some(types::ChangeDetails::Creation(creation))
    );
    assert_eq!((change.canister_version, info.total_num_changes), (0, 1));
    let origin = types::FromCanisterRecord {
        canister_id: caller,
        canister_version: Some(1),
    };
    assert_eq!(change.origin, types::ChangeOrigin::FromCanister(origin));
}

#[test]
fn each_start_and_each_stop_counts_as_a_version() {
    let mut net = Net::new();
    let id = net.create(T);
    let mut after = |method: &str| {
        net.manage::<()>(method, record(id)).unwrap();
        net.status(id).version
    };
    assert_eq!(after("start_canister"), 1);
    assert_eq!(after("stop_canister"), 2);
    assert_eq!(after("stop_canister"), 3);
    assert_eq!(after("start_canister"), 4);
}

/// The version is 0 at creation, and code sees the version that its installation made. Interface
/// specification 0.66, "Canister version" and `create_canister` in the abstract behavior.
#[test]
fn the_version_is_0_at_creation_and_the_first_code_sees_1() {
    let mut net = Net::new();
    let caller = net.install(CALLER);
    let id = net.create(T);
    assert_eq!(net.status(id).version, 0);
    let changes = info(&mut net, caller, id).recent_changes;
    assert_eq!(changes[0].canister_version, 0);
    let versioned = canister(
        r#"(global $at_init (mut i32) (i32.const 9))
        (func $version (result i32) (i32.wrap_i64 (call $canister_version)))
        (func (export "canister_init") (global.set $at_init (call $version)))
        (func (export "canister_query at_init") (call $reply (global.get $at_init)))
        (func (export "canister_query now") (call $reply (call $version)))
        (func (export "canister_update go") (call $reply (call $version)))"#,
    );
    net.install_as(Install, id, versioned, &[]).unwrap();
    assert_eq!((net.number(id, "at_init"), net.number(id, "now")), (1, 1));
    let changes = info(&mut net, caller, id).recent_changes;
    assert_eq!(changes[1].canister_version, 1);
    // A message sees the version before it.
    assert_eq!(net.update(id, "go", &[]).unwrap(), 1_u32.to_le_bytes());
    assert_eq!(net.number(id, "now"), 2);
    let provisional = types::ProvisionalCreateCanisterWithCyclesArgs::default();
    let (_, reply) = net.call_through(
        caller,
        "provisional_create_canister_with_cycles",
        0,
        &encode(provisional),
    );
    let (created,) = candid::decode_args::<(types::CanisterIdRecord,)>(&reply.unwrap()).unwrap();
    let changes = info(&mut net, caller, created.canister_id).recent_changes;
    assert_eq!(changes[0].canister_version, 0);
}

/// A wrong version is refused before the call leaves, and the cycles come back. dfinity/ic
/// rs/embedders/src/wasmtime_embedder/system_api/sandbox_safe_system_state.rs.
#[test]
fn a_caller_that_names_its_version_names_the_present_one() {
    let mut net = Net::new();
    let caller = net.install(CALLER);
    let create = |net: &mut Net, version| {
        let args = types::CreateCanisterArgs {
            settings: None,
            sender_canister_version: version,
        };
        net.call_through(caller, "create_canister", T, &encode(args))
    };
    let version = net.status(caller).version;
    assert!(create(&mut net, Some(version)).1.is_ok());
    // The call and its callback were two messages.
    assert_eq!(net.status(caller).version, version + 2);
    let text = format!(
        "IC0504: Management canister call payload includes sender canister version {version} that \
         does not match the actual sender canister version {}.",
        version + 2
    );
    assert_eq!(create(&mut net, Some(version)), (T, Err((5, text))));
    assert!(create(&mut net, None).1.is_ok());
    let version = net.status(caller).version;
    let own = types::UpdateSettingsArgs {
        canister_id: caller,
        settings: types::CanisterSettings::default(),
        sender_canister_version: Some(version + 1),
    };
    let (_, answer) = net.call_through(caller, "update_settings", 0, &encode(own));
    assert_eq!(answer.unwrap_err().0, 5);
}

#[test]
fn a_start_cancels_waiting_stop_requests_and_their_cycles_come_back() {
    let mut net = Net::new();
    let [busy, stopper] = [net.install(CALLER), net.install(CALLER)];
    let settings = types::CanisterSettings {
        controllers: Some(vec![net.admin, busy, stopper]),
        ..Default::default()
    };
    net.update_settings(busy, settings).unwrap();
    // A canister that stops itself waits for its own call.
    let stop = |cycles| call_argument("stop_canister", cycles, &encode(record(busy).0));
    let own = net
        .replica
        .submit(net.ingress(busy, "go", &stop(0)))
        .unwrap();
    net.replica.tick();
    let other = net.ingress(stopper, "go", &stop(T));
    let other = net.replica.submit(other).unwrap();
    let management = Principal::management_canister();
    let outside = net.ingress(management, "stop_canister", &encode(record(busy).0));
    let outside = net.replica.submit(outside).unwrap();
    for _ in 0..4 {
        net.replica.tick();
        net.check_accounts();
    }
    assert_eq!(net.status(busy).status, types::CanisterStatusType::Stopping);
    net.manage::<()>("start_canister", record(busy)).unwrap();
    let reject = net.replica.await_ingress(&outside).unwrap().unwrap_err();
    assert_eq!(
        (reject.error_code.as_str(), reject.message),
        (
            "IC0511",
            format!("Canister {busy}'s stop request was cancelled.")
        )
    );
    let text = format!("Canister {busy}'s stop request cancelled");
    for (message, cycles) in [(own, 0), (other, T)] {
        let answer = net.replica.await_ingress(&message).unwrap().unwrap();
        assert_eq!(decode_outcome(&answer), (cycles, Err((5, text.clone()))));
    }
    assert_eq!(net.status(busy).status, types::CanisterStatusType::Running);
    net.check_accounts();
}

#[test]
fn a_canister_cannot_delete_itself_and_is_ready_to_migrate_once_stopped() {
    let mut net = Net::new();
    let id = net.install(CALLER);
    assert!(!net.status(id).ready_for_migration);
    let (_, answer) = net.call_through(id, "delete_canister", 0, &encode(record(id).0));
    let text = format!("IC0512: Canister {id} cannot delete itself.");
    assert_eq!(answer, Err((5, text)));
    net.manage::<()>("stop_canister", record(id)).unwrap();
    assert!(net.status(id).ready_for_migration);
}
