//! The memory that messages take, what it costs, and what it forbids.
//!
//! Source: `dfinity/ic`, `rs/replicated_state/src/canister_state/queues.rs` (what counts),
//! `rs/embedders/src/wasmtime_embedder/system_api.rs` (`push_output_request`), and
//! `rs/cycles_account_manager/src/cycles_account_manager.rs` (`freeze_threshold_cycles`).

use candid::{Nat, Principal};
use canic_replica::{Ingress, SubnetKind};
use ic_management_canister_types::{CanisterInstallMode::Install, CanisterSettings};

use crate::common::{CALLER, NO_ARGS, Net, T, call_argument, canister};

const DAY: u64 = 24 * 3600;
/// The storage of a GiB for a second.
const GIB_SECOND: u128 = 317_500;
/// The reservation for a guaranteed answer: 2 MiB, and the platform's structure around it.
const RESERVATION: u64 = (2 << 20) + 144;

/// The price of `bytes` bytes of message memory for a day.
fn per_day(bytes: u64) -> u128 {
    u128::from(bytes) * GIB_SECOND * u128::from(DAY) / (1 << 30)
}

/// Calls `raw_rand` with all liquid cycles except the prepayment of the call and the i64 at address
/// 1000 of the argument, for the i32 at address 1008 as timeout in seconds (0 is a guaranteed
/// answer). Replies with the result of `call_perform`.
const SPENDER: &str = r#"(table 2 funcref) (elem (i32.const 1) $on_answer)
    (data (i32.const 0) "raw_rand")
    (data (i32.const 10) "DIDL\00\00")
    (func $on_answer (param i32))
    (func (export "canister_update go")
        (drop (call $argument))
        (call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8)
            (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))
        (call $call_data_append (i32.const 10) (i32.const 6))
        (if (i32.load (i32.const 1008))
            (then (call $call_with_best_effort_response (i32.load (i32.const 1008)))))
        (call $canister_liquid_cycle_balance128 (i32.const 2000))
        (call $cost_call (i64.const 8) (i64.const 6) (i32.const 2016))
        (call $call_cycles_add128 (i64.const 0) (i64.sub
            (i64.sub (i64.load (i32.const 2000)) (i64.load (i32.const 2016)))
            (i64.load (i32.const 1000))))
        (call $reply (call $call_perform)))"#;

/// The result of `call_perform` if a [`SPENDER`] keeps `kept` liquid cycles.
fn perform(net: &mut Net, spender: Principal, kept: u128, timeout: u32) -> u8 {
    let kept = u64::try_from(kept).unwrap();
    let argument = [&kept.to_le_bytes()[..], &timeout.to_le_bytes()].concat();
    let result = net.update(spender, "go", &argument).unwrap()[0];
    net.replica.tick();
    net.replica.tick();
    result
}

fn with_threshold(net: &mut Net, canister: Principal, seconds: u64) {
    let settings = CanisterSettings {
        freezing_threshold: Some(Nat::from(seconds)),
        ..CanisterSettings::default()
    };
    net.update_settings(canister, settings).unwrap();
}

#[test]
fn a_call_is_refused_if_the_reservation_for_its_answer_would_freeze_the_canister() {
    let mut net = Net::new();
    let id = net.install(SPENDER);
    let needed = 30 * per_day(RESERVATION);
    assert_eq!(perform(&mut net, id, 0, 0), 2);
    assert_eq!(perform(&mut net, id, needed - 30, 0), 2);
    assert_eq!(perform(&mut net, id, needed + 30, 0), 0);
    net.replica.add_cycles(id, 100 * T).unwrap();
    with_threshold(&mut net, id, 0);
    assert_eq!(perform(&mut net, id, 0, 0), 0);
    net.check_accounts();
}

#[test]
fn a_best_effort_call_counts_its_bytes_only() {
    let mut net = Net::new();
    let id = net.install(SPENDER);
    let needed = 30 * per_day(176 + 8 + 6);
    assert_eq!(perform(&mut net, id, 0, 10), 2);
    assert_eq!(perform(&mut net, id, needed - 30, 10), 2);
    assert_eq!(perform(&mut net, id, needed + 30, 10), 0);
}

/// What the messages of a canister cost it a day, at most one cycle off, as its status tells while
/// it waits.
fn message_burn(net: &mut Net, canister: Principal, idle: &Nat) -> u128 {
    let burn = net.status(canister).idle_cycles_burned_per_day - idle.clone();
    burn.0.try_into().unwrap()
}

#[test]
fn an_open_call_reserves_memory_at_its_caller_and_at_its_callee() {
    let mut net = Net::new();
    let callee = net.install(CALLER);
    let caller = net.install(
        r#"(table 2 funcref) (elem (i32.const 1) $on_answer)
        (data (i32.const 0) "go")
        (func $on_answer (param i32) (call $reply (i32.const 0)))
        (func (export "canister_update go") (local $size i32)
            (local.set $size (call $argument))
            (call $new_call (i32.const 0) (i32.const 2) (i32.const 1) (i32.const 1))
            (if (i32.load (i32.const 1010))
                (then (call $call_with_best_effort_response (i32.load (i32.const 1010)))))
            (call $call_data_append (i32.const 1014) (i32.sub (local.get $size) (i32.const 14)))
            (drop (call $call_perform)))"#,
    );
    let idle = [caller, callee].map(|id| net.status(id).idle_cycles_burned_per_day);
    let request = call_argument("raw_rand", 0, NO_ARGS);
    // The timeout in seconds, and the answers that caller and callee reserve.
    for (timeout, outer, inner) in [(0_u32, 1, 2), (10, 0, 1)] {
        for (id, idle, reserved) in [(caller, &idle[0], outer), (callee, &idle[1], inner)] {
            let argument = [callee.as_slice(), &timeout.to_le_bytes(), &request].concat();
            let open = net.ingress(caller, "go", &argument);
            let open = net.replica.submit(open).unwrap();
            net.replica.tick();
            let burn = message_burn(&mut net, id, idle);
            assert_eq!(burn, per_day(reserved * RESERVATION), "{timeout}");
            net.replica.await_ingress(&open).unwrap().unwrap();
            assert_eq!(message_burn(&mut net, id, idle), 0);
        }
    }
}

#[test]
fn a_call_of_itself_reserves_memory_twice() {
    let mut net = Net::new();
    let id = net.install(&format!(
        r#"{CALLER} (elem (i32.const 3) $on_self)
        (data (i32.const 0) "go")
        (func $on_self (param i32) (call $reply (i32.const 0)))
        (func (export "canister_update self")
            (drop (call $argument))
            (call $new_call (i32.const 0) (i32.const 2) (i32.const 3) (i32.const 3))
            (call $call_data_append (i32.const 1010)
                (i32.sub (call $msg_arg_data_size) (i32.const 10)))
            (drop (call $call_perform)))"#
    ));
    let idle = net.status(id).idle_cycles_burned_per_day;
    let argument = [id.as_slice(), &call_argument("raw_rand", 0, NO_ARGS)].concat();
    let open = net.ingress(id, "self", &argument);
    let open = net.replica.submit(open).unwrap();
    net.replica.tick();
    let burn = message_burn(&mut net, id, &idle);
    assert_eq!(burn, per_day(3 * RESERVATION));
    net.replica.await_ingress(&open).unwrap().unwrap();
}

#[test]
fn a_request_is_rejected_if_the_reservation_for_its_answer_freezes_the_callee() {
    let mut net = Net::new();
    let callee = net.install(r#"(func (export "canister_update x") (call $reply (i32.const 0)))"#);
    let caller = net.install(
        r#"(table 3 funcref) (elem (i32.const 1) $on_reply $on_reject)
        (data (i32.const 0) "x")
        (func $on_reply (param i32) (call $msg_reply))
        (func $on_reject (param i32)
            (call $msg_reject_msg_copy (i32.const 2000) (i32.const 0) (call $msg_reject_msg_size))
            (call $answer (i32.const 2000) (call $msg_reject_msg_size)))
        (func (export "canister_update go")
            (drop (call $argument))
            (call $new_call (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 2))
            (if (i32.load (i32.const 1010))
                (then (call $call_with_best_effort_response (i32.load (i32.const 1010)))))
            (drop (call $call_perform)))"#,
    );
    // The balance covers the threshold and half of what a reservation adds to it.
    let idle: u128 = (net.status(callee).idle_cycles_burned_per_day.0.try_into()).unwrap();
    let burn = idle + per_day(RESERVATION) / 2;
    let seconds = net.replica.cycles(callee).unwrap() / burn * u128::from(DAY);
    with_threshold(&mut net, callee, seconds.try_into().unwrap());
    net.update(callee, "x", &[]).unwrap();
    let mut call = |timeout: u32| {
        let argument = [callee.as_slice(), &timeout.to_le_bytes()].concat();
        String::from_utf8(net.update(caller, "go", &argument).unwrap()).unwrap()
    };
    assert_eq!(
        call(0),
        format!("IC0207: Canister {callee} is out of cycles")
    );
    // A reply: a best-effort call reserves nothing.
    assert_eq!(call(10), "");
}

#[test]
fn message_memory_is_paid_for() {
    let mut net = Net::new();
    let id = net.install(CALLER);
    net.replica
        .set_time(net.replica.time() + 1_000_000_000_000)
        .unwrap();
    net.replica.tick();
    let idle: u128 = net
        .status(id)
        .idle_cycles_burned_per_day
        .0
        .try_into()
        .unwrap();
    let open = net.ingress(id, "go", &call_argument("raw_rand", 0, NO_ARGS));
    let open = net.replica.submit(open).unwrap();
    net.replica.tick();
    let before = net.replica.accounts().fees.resources;
    let day = u64::from(24 * 3600_u32) * 1_000_000_000;
    net.replica.set_time(net.replica.time() + day).unwrap();
    net.replica.tick();
    let paid = net.replica.accounts().fees.resources - before;
    assert_eq!(paid, idle + per_day(RESERVATION));
    net.replica.await_ingress(&open).unwrap().unwrap();
}

#[test]
fn a_callback_needs_the_cycles_for_the_reservation_of_its_next_call() {
    let mut net = Net::new();
    let id = net.install(
        r#"(table 3 funcref) (elem (i32.const 1) $first $second)
        (data (i32.const 0) "raw_rand") (data (i32.const 10) "DIDL\00\00")
        (func $call (param $callback i32)
            (call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8)
                (local.get $callback) (i32.const 0) (local.get $callback) (i32.const 0))
            (call $call_data_append (i32.const 10) (i32.const 6)))
        (func $second (param i32))
        ;; Calls again with all liquid cycles except the prepayment and those of the argument.
        (func $first (param i32)
            (call $call (i32.const 2))
            (call $canister_liquid_cycle_balance128 (i32.const 2000))
            (call $cost_call (i64.const 8) (i64.const 6) (i32.const 2016))
            (call $call_cycles_add128 (i64.const 0) (i64.sub
                (i64.sub (i64.load (i32.const 2000)) (i64.load (i32.const 2016)))
                (i64.load (i32.const 1000))))
            (call $reply (call $call_perform)))
        (func (export "canister_update go")
            (drop (call $argument))
            (call $call (i32.const 1))
            (drop (call $call_perform)))"#,
    );
    let needed = 30 * per_day(RESERVATION);
    for (kept, result) in [(needed - 30, 2), (needed + 30, 0)] {
        let kept = u64::try_from(kept).unwrap().to_le_bytes();
        assert_eq!(net.update(id, "go", &kept).unwrap()[0], result);
        net.replica.tick();
        net.replica.tick();
    }
    net.check_accounts();
}

/// Makes 500 calls with guaranteed answers to each canister whose id of ten bytes is in the
/// argument, of which there are 16. Replies with the number of calls that could be sent.
const FLOOD: &str = r#"(table 2 funcref) (elem (i32.const 1) $on_answer)
    (data (i32.const 0) "anything")
    (func $on_answer (param i32))
    (func (export "canister_update go") (local $callee i32) (local $left i32) (local $sent i32)
        (drop (call $argument))
        (local.set $callee (i32.const 1000))
        (loop $callees
            (local.set $left (i32.const 500))
            (loop $calls
                (call $call_new (local.get $callee) (i32.const 10) (i32.const 0) (i32.const 8)
                    (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))
                (if (i32.eqz (call $call_perform))
                    (then (local.set $sent (i32.add (local.get $sent) (i32.const 1)))))
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br_if $calls (local.get $left)))
            (local.set $callee (i32.add (local.get $callee) (i32.const 10)))
            (br_if $callees (i32.lt_u (local.get $callee) (i32.const 1160))))
        (i32.store (i32.const 3000) (local.get $sent))
        (call $msg_reply_data_append (i32.const 3000) (i32.const 4))
        (call $msg_reply))"#;

/// `dfinity/ic` `rs/config/src/execution_environment.rs`
/// (`SUBNET_GUARANTEED_RESPONSE_MESSAGE_MEMORY_CAPACITY`): 15 GiB for all canisters of a subnet.
#[test]
fn the_canisters_of_a_subnet_share_the_memory_for_guaranteed_answers() {
    const FREE: u32 = ((15 << 30) / RESERVATION) as u32;
    let mut net = Net::with(vec![
        SubnetKind::Application,
        SubnetKind::Application,
        SubnetKind::System,
    ]);
    let callees: Vec<u8> = (0..16)
        .flat_map(|_| net.create_on(1, T).as_slice().to_vec())
        .collect();
    let [a, b, free] = [0, 0, 2].map(|subnet| {
        let id = net.create_on(subnet, 1_000 * T);
        net.install_as(Install, id, canister(FLOOD), &[]).unwrap();
        id
    });
    let go = |id| Ingress {
        sender: Principal::anonymous(),
        canister: id,
        method: "go".into(),
        payload: callees.clone(),
        effective: None,
        caller_info: None,
    };
    let sent = |net: &mut Net, ids: &[Principal]| -> Vec<u32> {
        let messages: Vec<_> = ids
            .iter()
            .map(|id| net.replica.submit(go(*id)).unwrap())
            .collect();
        let answers = messages.iter().map(|message| {
            let reply = net.replica.await_ingress(message).unwrap().unwrap();
            u32::from_le_bytes(reply.try_into().unwrap())
        });
        answers.collect()
    };
    assert_eq!(sent(&mut net, &[a, b]), [FREE, 0]);
    // The callees have no code: all calls are rejected, which frees the memory again.
    for _ in 0..8 {
        net.replica.tick();
    }
    assert_eq!(sent(&mut net, &[b]), [FREE]);
    assert_eq!(sent(&mut net, &[free]), [16 * 500]);
}
