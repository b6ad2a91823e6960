//! What canisters and subnets have consumed.
//!
//! The rules are those of the interface specification 0.66 ("IC method `canister_metrics`"), and of
//! `dfinity/ic`, `rs/types/cycles/src` (the use cases of cycles). `subnet_metrics` is described by
//! the crate `ic-management-canister-types` 0.11.

use candid::{CandidType, Deserialize, Nat, Principal, decode_args};
use canic_replica::SubnetKind;
use ic_management_canister_types as types;

use crate::common::{CALLER, NO_ARGS, Net, T, call_argument, canister, encode, record};

const DAY: u64 = 24 * 3600 * 1_000_000_000;

fn consumed(net: &mut Net, id: Principal) -> types::CyclesConsumed {
    let payload = encode(record(id).0);
    let management = Principal::management_canister();
    let reply = net.query(management, "canister_metrics", &payload).unwrap();
    let (result,): (types::CanisterMetricsResult,) = decode_args(&reply).unwrap();
    result.cycles_consumed
}

fn cycles(number: &Nat) -> u128 {
    number.0.clone().try_into().unwrap()
}

/// The cycles of all purposes.
fn total(consumed: &types::CyclesConsumed) -> u128 {
    let types::CyclesConsumed {
        memory,
        compute_allocation,
        ingress_induction,
        instructions,
        request_and_response_transmission,
        uninstall,
        canister_creation,
        http_outcalls,
        burned_cycles,
    } = consumed;
    [
        memory,
        compute_allocation,
        ingress_induction,
        instructions,
        request_and_response_transmission,
        uninstall,
        canister_creation,
        http_outcalls,
        burned_cycles,
    ]
    .map(cycles)
    .iter()
    .sum()
}

#[test]
fn a_canister_counts_the_cycles_of_messages_by_purpose() {
    let mut net = Net::new();
    let id = net.install(
        r#"(func (export "canister_update burn")
            (call $cycles_burn128 (i64.const 0) (i64.const 1000) (i32.const 32))
            (call $reply (i32.const 0)))"#,
    );
    let fees = net.replica.accounts().fees;
    let before = consumed(&mut net, id);
    net.update(id, "burn", &[]).unwrap();
    let now = net.replica.accounts().fees;
    let after = consumed(&mut net, id);
    let grown = |of: fn(&types::CyclesConsumed) -> &Nat| cycles(of(&after)) - cycles(of(&before));
    assert_eq!(grown(|c| &c.burned_cycles), 1000);
    assert_eq!(grown(|c| &c.ingress_induction), now.ingress - fees.ingress);
    assert_eq!(grown(|c| &c.instructions), now.execution - fees.execution);
    assert!(grown(|c| &c.instructions) > 5_000_000);
    assert_eq!(grown(|c| &c.request_and_response_transmission), 0);
}

#[test]
fn the_purposes_add_up_to_what_a_canister_has_lost() {
    let mut net = Net::new();
    let id = net.install(
        r#"
        (table 3 funcref) (elem (i32.const 1) $on_reply $on_reject)
        (data (i32.const 0) "raw_rand")
        (func $on_reply (param i32) (call $reply (i32.const 0)))
        (func $on_reject (param i32) (unreachable))
        (func (export "canister_update fail") (unreachable))
        (func (export "canister_update burn")
            (call $cycles_burn128 (i64.const 0) (i64.const 1000) (i32.const 32))
            (call $reply (i32.const 0)))
        (func (export "canister_update ask")
            (call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8)
                (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 0))
            (call $call_data_append (i32.const 16) (i32.const 6))
            (drop (call $call_perform)))
        (data (i32.const 16) "DIDL\00\00")"#,
    );
    net.update(id, "fail", &[]).unwrap_err();
    net.update(id, "burn", &[]).unwrap();
    net.update(id, "ask", &[]).unwrap();
    let settings = types::CanisterSettings {
        compute_allocation: Some(1_u8.into()),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    let upload = types::UploadChunkArgs {
        canister_id: id,
        chunk: vec![1; 1000],
    };
    net.manage::<(types::ChunkHash,)>("upload_chunk", (upload,))
        .unwrap();
    let snapshot = types::TakeCanisterSnapshotArgs {
        canister_id: id,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    net.manage::<(types::Snapshot,)>("take_canister_snapshot", (snapshot,))
        .unwrap();
    net.install_as(
        types::CanisterInstallMode::Reinstall,
        id,
        canister("(func $broken (unreachable)) (start $broken)"),
        &[],
    )
    .unwrap_err();
    let later = net.replica.time() + DAY;
    net.replica.set_time(later).unwrap();
    net.replica.tick();
    let consumed = consumed(&mut net, id);
    let lost = 100 * T - net.replica.cycles(id).unwrap();
    assert_eq!(total(&consumed), lost);
    for (purpose, sum) in [
        ("memory", &consumed.memory),
        ("compute", &consumed.compute_allocation),
        ("ingress", &consumed.ingress_induction),
        ("instructions", &consumed.instructions),
        ("transmission", &consumed.request_and_response_transmission),
    ] {
        assert!(cycles(sum) > 0, "{purpose}");
    }
    // A percent of a core costs 10 million cycles a second.
    assert_eq!(
        cycles(&consumed.compute_allocation),
        10_000_000 * u128::from(DAY / 1_000_000_000)
    );
}

#[test]
fn a_new_canister_has_paid_for_its_creation() {
    let mut net = Net::new();
    let creator = net.install(CALLER);
    let payload = encode(types::CreateCanisterArgs::default());
    let (_, reply) = net.call_through(creator, "create_canister", 2 * T, &payload);
    let (created,): (types::CanisterIdRecord,) = decode_args(&reply.unwrap()).unwrap();
    let payload = encode(created);
    let (_, reply) = net.call_through(creator, "canister_metrics", 0, &payload);
    let (metrics,): (types::CanisterMetricsResult,) = decode_args(&reply.unwrap()).unwrap();
    assert_eq!(
        metrics.cycles_consumed.canister_creation,
        Nat::from(500_000_000_000_u64)
    );
    assert_eq!(
        consumed(&mut net, creator).canister_creation,
        Nat::from(0_u8)
    );
}

#[test]
fn what_a_canister_had_left_is_counted_when_it_is_uninstalled_for_want_of_cycles() {
    let mut net = Net::new();
    let id = net.create(T);
    let settings = types::CanisterSettings {
        compute_allocation: Some(1_u8.into()),
        freezing_threshold: Some(0_u8.into()),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    let left = net.replica.cycles(id).unwrap();
    let before = consumed(&mut net, id);
    assert_eq!(before.uninstall, Nat::from(0_u8));
    let later = net.replica.time() + 365 * DAY;
    net.replica.set_time(later).unwrap();
    net.replica.tick();
    assert_eq!(net.replica.cycles(id), Some(0));
    let after = consumed(&mut net, id);
    assert_eq!(cycles(&after.uninstall), left);
    assert_eq!(total(&after), T);
}

#[test]
fn outcalls_are_counted_for_the_canister_that_makes_them() {
    let mut net = Net::new();
    let id = net.install(CALLER);
    let args = types::HttpRequestArgs {
        url: "https://example.com".into(),
        max_response_bytes: Some(1000),
        method: types::HttpMethod::GET,
        headers: Vec::new(),
        body: None,
        transform: None,
        is_replicated: None,
    };
    let call = net.ingress(id, "go", &call_argument("http_request", T, &encode(args)));
    net.replica.submit(call).unwrap();
    for _ in 0..3 {
        net.replica.tick();
    }
    let fee = net.replica.accounts().fees.outcalls;
    assert!(fee > 0);
    assert_eq!(cycles(&consumed(&mut net, id).http_outcalls), fee);
}

#[test]
fn only_controllers_read_the_metrics_of_a_canister() {
    let mut net = Net::new();
    let (id, caller) = (net.create(T), net.install(CALLER));
    let stranger = Principal::self_authenticating("stranger");
    let payload = encode(record(id).0);
    let query = |net: &mut Net, sender| {
        let management = Principal::management_canister();
        let query = net.ingress(management, "canister_metrics", &payload);
        net.replica
            .query(canic_replica::Ingress { sender, ..query })
    };
    assert_eq!(query(&mut net, stranger).unwrap_err().error_code, "IC0512");
    let reject = net.manage_as::<()>(stranger, "canister_metrics", record(id));
    assert_eq!(reject.unwrap_err().error_code, "IC0512");
    let (_, answer) = net.call_through(caller, "canister_metrics", 0, &payload);
    assert!(
        answer
            .unwrap_err()
            .1
            .starts_with("IC0512: Only the controllers")
    );
    // A canister need not control itself.
    let (_, answer) = net.call_through(caller, "canister_metrics", 0, &encode(record(caller).0));
    assert!(
        answer
            .unwrap_err()
            .1
            .starts_with("IC0512: Only the controllers")
    );
    // A public status opens no metrics.
    let admin = net.admin;
    query(&mut net, admin).unwrap();
    net.manage::<(types::CanisterMetricsResult,)>("canister_metrics", record(id))
        .unwrap();
}

// Subnets.

#[derive(CandidType)]
struct SubnetMetricsArgs {
    subnet_id: Principal,
}

#[derive(CandidType, Deserialize)]
struct SubnetMetrics {
    block_height: Nat,
    num_canisters: Nat,
    canister_state_bytes: Nat,
    consumed_cycles_total: Nat,
    update_transactions_total: Nat,
    million_round_instructions_total: Nat,
}

fn subnet_metrics(net: &mut Net, caller: Principal, subnet: usize) -> SubnetMetrics {
    let subnet_id = net.replica.subnets()[subnet].id;
    let payload = encode(SubnetMetricsArgs { subnet_id });
    let (_, reply) = net.call_through(caller, "subnet_metrics", 0, &payload);
    decode_args::<(SubnetMetrics,)>(&reply.unwrap()).unwrap().0
}

#[test]
fn a_canister_reads_the_metrics_of_any_subnet() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Application]);
    let caller = net.install(CALLER);
    let empty = subnet_metrics(&mut net, caller, 1);
    assert_eq!(empty.num_canisters, Nat::from(0_u8));
    assert_eq!(empty.update_transactions_total, Nat::from(0_u8));
    assert_eq!(empty.million_round_instructions_total, Nat::from(0_u8));
    let far = net.create_on(1, 100 * T);
    let program = canister(r#"(func (export "canister_update x") (call $reply (i32.const 0)))"#);
    net.install_as(types::CanisterInstallMode::Install, far, program, &[])
        .unwrap();
    for _ in 0..3 {
        net.update(far, "x", &[]).unwrap();
    }
    let status = net.status(far);
    let metrics = subnet_metrics(&mut net, caller, 1);
    assert_eq!(metrics.num_canisters, Nat::from(1_u8));
    assert_eq!(metrics.update_transactions_total, Nat::from(3_u8));
    assert!(metrics.million_round_instructions_total > 0_u8);
    assert_eq!(metrics.canister_state_bytes, status.memory_size);
    assert!(metrics.block_height > empty.block_height);
    let consumed = total(&consumed(&mut net, far));
    assert_eq!(metrics.consumed_cycles_total, Nat::from(consumed));
}

#[test]
fn the_cycles_of_deleted_canisters_stay_in_the_metrics_of_their_subnet() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Application]);
    let caller = net.install(CALLER);
    let far = net.create_on(1, T);
    net.manage::<()>("stop_canister", record(far)).unwrap();
    net.manage::<()>("delete_canister", record(far)).unwrap();
    let metrics = subnet_metrics(&mut net, caller, 1);
    assert_eq!(metrics.num_canisters, Nat::from(0_u8));
    assert_eq!(metrics.consumed_cycles_total, Nat::from(T));
}

#[test]
fn users_read_no_metrics_of_subnets() {
    let mut net = Net::new();
    let subnet_id = net.replica.subnets()[0].id;
    for method in ["subnet_metrics", "subnet_info"] {
        let args = (SubnetMetricsArgs { subnet_id },);
        let reject = net.manage::<()>(method, args).unwrap_err();
        assert_eq!(reject.error_code, "IC0406", "{method}");
    }
    let caller = net.install(CALLER);
    let subnet_id = Principal::from_slice(&[1]);
    let payload = encode(SubnetMetricsArgs { subnet_id });
    let (_, answer) = net.call_through(caller, "subnet_metrics", 0, &payload);
    assert_eq!(answer.unwrap_err().0, 3);
    let (_, answer) = net.call_through(caller, "subnet_metrics", 0, NO_ARGS);
    assert_eq!(answer.unwrap_err().0, 4);
}
