//! Best-effort calls, which wait for an answer until a deadline.

use candid::Principal;
use canic_replica::{IngressStatus, Kind, SubnetKind};
use ic_management_canister_types::CanisterInstallMode::Install;

use crate::common::{Net, T, canister, record};

const SECOND: u64 = 1_000_000_000;

/// A canister with these methods:
///
/// - `ask` calls a method with 1 T cycles. Its argument is the callee's id, the method's number,
///   and the timeout in tens of seconds (0: a guaranteed call). It passes on the reply, or replies
///   with the reject code as a byte.
/// - `deadline` replies with the deadline that it sees.
/// - `nested` makes a guaranteed call to its own `deadline`. It replies with that deadline, then
///   the one that its callback sees.
/// - `take_half` accepts half of a T cycles, `forever` never answers, and `take` counts its calls.
const CANISTER: &str = r#"
    (table 8 funcref)
    (elem (i32.const 0) $on_reply $on_reject $nested_reply $nested_reject $again $again)
    (data (i32.const 0) "deadline            ")
    (data (i32.const 20) "nested              ")
    (data (i32.const 40) "take_half           ")
    (data (i32.const 60) "forever             ")
    (data (i32.const 80) "take                ")
    (data (i32.const 100) "\08\06\09\07\04")
    (data (i32.const 120) "raw_rand")
    (global $count (mut i32) (i32.const 0))
    (func $on_reply (param i32)
        (call $msg_arg_data_copy (i32.const 600) (i32.const 0) (call $msg_arg_data_size))
        (call $answer (i32.const 600) (call $msg_arg_data_size)))
    (func $on_reject (param i32)
        (i32.store8 (i32.const 600) (call $msg_reject_code))
        (call $answer (i32.const 600) (i32.const 1)))
    (func (export "canister_update ask") (local $method i32)
        (drop (call $argument))
        (local.set $method (i32.load8_u (i32.const 1010)))
        (call $new_call (i32.mul (local.get $method) (i32.const 20))
            (i32.load8_u (i32.add (i32.const 100) (local.get $method))) (i32.const 0) (i32.const 1))
        (call $call_cycles_add128 (i64.const 0) (i64.const 1000000000000))
        (if (i32.load8_u (i32.const 1011)) (then
            (call $call_with_best_effort_response
                (i32.mul (i32.const 10) (i32.load8_u (i32.const 1011))))))
        (if (call $call_perform) (then (unreachable))))
    (func $deadline (i64.store (i32.const 600) (call $msg_deadline)))
    (func $answer_deadline (call $deadline) (call $answer (i32.const 600) (i32.const 8)))
    (func (export "canister_update deadline") (call $answer_deadline))
    (func (export "canister_query deadline_in_query") (call $answer_deadline))
    (func (export "canister_update nested")
        (call $canister_self_copy (i32.const 1000) (i32.const 0) (i32.const 10))
        (call $new_call (i32.const 0) (i32.const 8) (i32.const 2) (i32.const 3))
        (if (call $call_perform) (then (unreachable))))
    (func $nested_reply (param i32)
        (call $msg_arg_data_copy (i32.const 608) (i32.const 0) (i32.const 8))
        (call $deadline)
        (call $answer (i32.const 600) (i32.const 16)))
    (func $nested_reject (param i32) (unreachable))
    (func (export "canister_update take_half")
        (call $msg_cycles_accept128 (i64.const 0) (i64.const 500000000000) (i32.const 600))
        (call $reply (i32.const 0)))
    (func $forever
        (call $call_new (i32.const 0) (i32.const 0) (i32.const 120) (i32.const 8)
            (i32.const 4) (i32.const 0) (i32.const 5) (i32.const 0))
        (if (call $call_perform) (then (unreachable))))
    (func $again (param i32) (call $forever))
    (func (export "canister_update forever") (call $forever))
    (func (export "canister_update take")
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (call $msg_reply))
    (func (export "canister_query count") (call $reply (global.get $count)))
    (func (export "canister_update use_up_the_round") (local $i i32)
        (loop $more
            (memory.fill (i32.const 2000) (i32.const 0) (i32.const 60000))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 120000))))
        (call $msg_reply))
"#;

const DEADLINE: u8 = 0;
const NESTED: u8 = 1;
const TAKE_HALF: u8 = 2;
const FOREVER: u8 = 3;
const TAKE: u8 = 4;

/// Two canisters on two subnets.
fn distant_pair() -> (Net, Principal, Principal) {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Application]);
    let near = net.install(CANISTER);
    let far = net.create_on(1, T);
    net.install_as(Install, far, canister(CANISTER), &[])
        .unwrap();
    (net, near, far)
}

/// Lets `from` call a method of `to` with a timeout in tens of seconds, or with a guaranteed
/// response (0).
fn ask(net: &mut Net, from: Principal, to: Principal, method: u8, tens: u8) -> [u8; 32] {
    let argument = [to.as_slice(), &[method, tens]].concat();
    let call = net.ingress(from, "ask", &argument);
    net.replica.submit(call).unwrap()
}

fn answer(net: &mut Net, message: [u8; 32]) -> Vec<u8> {
    let answer = net.replica.await_ingress(&message).unwrap().unwrap();
    net.check_accounts();
    answer
}

/// Sets the time forwards and executes a round.
fn advance(net: &mut Net, seconds: u64) {
    let later = net.replica.time() + seconds * SECOND;
    net.replica.set_time(later).unwrap();
    net.replica.tick();
}

fn deadline(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

#[test]
fn a_call_that_waits_too_long_ends_unknown_and_the_late_answer_is_dropped() {
    let (mut net, near, far) = distant_pair();
    let message = ask(&mut net, near, far, TAKE, 1);
    // The call travels in the first round and is executed in the second. Its answer would arrive in
    // the third.
    net.replica.tick();
    net.replica.tick();
    assert_eq!(net.number(far, "count"), 1);
    advance(&mut net, 11);
    assert_eq!(answer(&mut net, message), [6]);
    advance(&mut net, 1);
    assert_eq!(net.events(Kind::Reply), []);
    assert_eq!(net.events(Kind::Reject).len(), 1);
}

#[test]
fn an_answer_in_the_last_second_is_in_time() {
    let (mut net, near, far) = distant_pair();
    let message = ask(&mut net, near, far, TAKE, 1);
    net.replica.tick();
    let last = (net.replica.time() / SECOND + 10) * SECOND;
    net.replica.tick();
    net.replica.set_time(last).unwrap();
    assert_eq!(answer(&mut net, message), [0_u8; 0]);
}

#[test]
fn an_answer_that_came_in_time_may_wait_longer_in_the_queue() {
    let (mut net, near, far) = distant_pair();
    let messages = [
        ask(&mut net, near, far, TAKE, 1),
        ask(&mut net, near, far, TAKE, 1),
    ];
    net.replica.tick();
    net.replica.tick();
    // The first answer is executed. Then this message runs, and the second answer waits.
    net.replica
        .submit(net.ingress(near, "use_up_the_round", &[]))
        .unwrap();
    net.replica.tick();
    assert_eq!(
        net.replica.ingress_status(&messages[1]),
        IngressStatus::Processing
    );
    advance(&mut net, 11);
    for message in messages {
        assert_eq!(answer(&mut net, message), [0_u8; 0]);
    }
}

#[test]
fn the_cycles_of_a_late_answer_come_back() {
    let (mut net, near, far) = distant_pair();
    let before = net.replica.cycles(near).unwrap();
    let message = ask(&mut net, near, far, TAKE_HALF, 1);
    net.replica.tick();
    net.replica.tick();
    advance(&mut net, 11);
    assert_eq!(answer(&mut net, message), [6]);
    let spent = before - net.replica.cycles(near).unwrap();
    assert!((T / 2..T / 2 + T / 10).contains(&spent), "{spent}");
    assert_eq!(net.replica.accounts().destroyed, 0);
}

#[test]
fn a_call_that_is_late_itself_is_not_executed_and_its_cycles_come_back() {
    let (mut net, near, far) = distant_pair();
    let before = net.replica.cycles(near).unwrap();
    let message = ask(&mut net, near, far, TAKE, 1);
    net.replica.tick();
    advance(&mut net, 11);
    assert_eq!(answer(&mut net, message), [6]);
    net.replica.tick();
    net.replica.tick();
    assert_eq!(net.number(far, "count"), 0);
    assert!(before - net.replica.cycles(near).unwrap() < T / 10);
    net.check_accounts();
}

#[test]
fn the_callee_sees_the_deadline_in_whole_seconds() {
    let mut net = Net::new();
    let [a, b] = [net.install(CANISTER), net.install(CANISTER)];
    let odd = net.replica.time() + 999_999_999;
    net.replica.set_time(odd).unwrap();
    let message = ask(&mut net, a, b, DEADLINE, 3);
    let seen = answer(&mut net, message);
    assert_eq!(deadline(&seen), (odd / SECOND + 30) * SECOND);
}

#[test]
fn a_deadline_is_at_most_five_minutes_away() {
    let mut net = Net::new();
    let [a, b] = [net.install(CANISTER), net.install(CANISTER)];
    let message = ask(&mut net, a, b, DEADLINE, 100);
    let seen = answer(&mut net, message);
    let now = net.replica.time();
    assert_eq!(deadline(&seen), (now / SECOND + 300) * SECOND);
}

#[test]
fn guaranteed_calls_ingress_messages_and_queries_see_no_deadline() {
    let mut net = Net::new();
    let [a, b] = [net.install(CANISTER), net.install(CANISTER)];
    let message = ask(&mut net, a, b, DEADLINE, 0);
    assert_eq!(answer(&mut net, message), [0; 8]);
    assert_eq!(net.update(a, "deadline", &[]).unwrap(), [0; 8]);
    assert_eq!(net.query(a, "deadline_in_query", &[]).unwrap(), [0; 8]);
    assert_eq!(net.update(a, "deadline_in_query", &[]).unwrap(), [0; 8]);
}

#[test]
fn a_nested_call_has_its_own_deadline_and_the_callback_sees_that_of_its_caller() {
    let mut net = Net::new();
    let [a, b] = [net.install(CANISTER), net.install(CANISTER)];
    let message = ask(&mut net, a, b, NESTED, 2);
    let seen = answer(&mut net, message);
    let now = net.replica.time();
    assert_eq!(deadline(&seen[..8]), (now / SECOND + 20) * SECOND);
    assert_eq!(deadline(&seen[8..]), 0);
}

#[test]
fn a_canister_can_stop_once_its_best_effort_call_timed_out() {
    let mut net = Net::new();
    let [a, b] = [net.install(CANISTER), net.install(CANISTER)];
    let stop = |net: &mut Net, tens| {
        let message = ask(net, a, b, FOREVER, tens);
        net.replica.tick();
        let argument = candid::encode_args(record(a)).unwrap();
        let stop = net.ingress(Principal::management_canister(), "stop_canister", &argument);
        let stopped = net.replica.submit(stop).unwrap();
        advance(net, 11);
        net.replica.tick();
        (
            net.replica.ingress_status(&message),
            net.replica.ingress_status(&stopped),
        )
    };
    let (message, stopped) = stop(&mut net, 1);
    assert_eq!(message, IngressStatus::Done(Ok(vec![6])));
    assert!(matches!(stopped, IngressStatus::Done(Ok(_))), "{stopped:?}");
    // A guaranteed call keeps the canister from stopping.
    net.manage::<()>("start_canister", record(a)).unwrap();
    let (message, stopped) = stop(&mut net, 0);
    assert_eq!(message, IngressStatus::Processing);
    assert_eq!(stopped, IngressStatus::Processing);
}

#[test]
fn a_guaranteed_call_gets_its_answer_however_late() {
    let (mut net, near, far) = distant_pair();
    let message = ask(&mut net, near, far, TAKE, 0);
    net.replica.tick();
    advance(&mut net, 86_400);
    advance(&mut net, 86_400);
    assert_eq!(answer(&mut net, message), [0_u8; 0]);
    assert_eq!(net.number(far, "count"), 1);
}

#[test]
fn the_management_canister_executes_no_call_past_its_deadline() {
    let mut net = Net::new();
    // Calls `raw_rand`.
    let id = net.install(
        r#"
        (table 4 funcref)
        (elem (i32.const 1) $on_reply $on_reject)
        (data (i32.const 0) "raw_randDIDL\00\00")
        (func $on_reply (param i32) (call $reply (i32.const 1)))
        (func $on_reject (param i32) (call $reply (call $msg_reject_code)))
        (func (export "canister_update go")
            (call $call_new (i32.const 2000) (i32.const 0) (i32.const 0) (i32.const 8)
                (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 0))
            (call $call_data_append (i32.const 8) (i32.const 6))
            (call $call_with_best_effort_response (i32.const 10))
            (drop (call $call_perform)))
        "#,
    );
    let message = net.replica.submit(net.ingress(id, "go", &[])).unwrap();
    net.replica.tick();
    advance(&mut net, 11);
    assert_eq!(answer(&mut net, message), 6_u32.to_le_bytes());
    let executed = |net: &Net| {
        net.events(Kind::Management)
            .into_iter()
            .filter(|event| event.method == "raw_rand")
            .count()
    };
    assert_eq!(executed(&net), 0);
    let message = net.replica.submit(net.ingress(id, "go", &[])).unwrap();
    assert_eq!(answer(&mut net, message), 1_u32.to_le_bytes());
    assert_eq!(executed(&net), 1);
}
