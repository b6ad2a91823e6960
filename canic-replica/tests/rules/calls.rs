//! Calls between canisters.

use candid::Principal;
use canic_replica::{Kind, Outcome, RejectCode, SubnetKind};
use ic_management_canister_types::CanisterInstallMode::Install;

use crate::common::{Net, T, canister, record};

/// A callee that replies, rejects, traps, never answers, or accepts cycles.
const CALLEE: &str = r#"
    (data (i32.const 0) "no, thanks")
    (global $count (mut i32) (i32.const 0))
    (func $note (global.set $count (i32.add (global.get $count) (i32.const 1))))
    (func (export "canister_update reply") (call $note) (call $reply (i32.const 42)))
    (func (export "canister_update refuse")
        (call $note) (call $msg_reject (i32.const 0) (i32.const 10)))
    (func (export "canister_update explode") (call $note) (unreachable))
    (func (export "canister_update silent") (call $note))
    (func (export "canister_update take_half") (call $note)
        (call $msg_cycles_accept128 (i64.const 0) (i64.const 500000000000) (i32.const 100))
        (call $answer (i32.const 100) (i32.const 16)))
    (func (export "canister_update take_and_trap")
        (call $msg_cycles_accept128 (i64.const 0) (i64.const 500000000000) (i32.const 100))
        (unreachable))
    (func (export "canister_query count") (call $reply (global.get $count)))
"#;

/// A program that calls the canister in its argument with 1 T cycles, at the method of the same
/// name as its own. It replies with the refund, and the reply or the reject's code and message.
fn caller() -> String {
    let names = [
        "reply",
        "refuse",
        "explode",
        "silent",
        "take_half",
        "take_and_trap",
        "nowhere",
    ];
    let mut body = String::from(
        r#"
        (table 4 funcref)
        (elem (i32.const 1) $on_reply $on_reject)
        (func $on_reply (param i32)
            (call $msg_cycles_refunded128 (i32.const 600))
            (call $msg_arg_data_copy (i32.const 616) (i32.const 0) (call $msg_arg_data_size))
            (call $answer (i32.const 600) (i32.add (i32.const 16) (call $msg_arg_data_size))))
        (func $on_reject (param i32)
            (call $msg_cycles_refunded128 (i32.const 600))
            (i32.store (i32.const 616) (call $msg_reject_code))
            (call $msg_reject_msg_copy (i32.const 620) (i32.const 0) (call $msg_reject_msg_size))
            (call $answer (i32.const 600) (i32.add (i32.const 20) (call $msg_reject_msg_size))))
        "#,
    );
    for (index, name) in names.iter().enumerate() {
        let (at, size) = (index * 20, name.len());
        body += &format!(
            r#"
            (data (i32.const {at}) "{name}")
            (func (export "canister_update {name}")
                (drop (call $argument))
                (call $new_call (i32.const {at}) (i32.const {size}) (i32.const 1) (i32.const 2))
                (call $call_cycles_add128 (i64.const 0) (i64.const 1000000000000))
                (if (call $call_perform) (then (unreachable))))
            "#
        );
    }
    body
}

/// Decodes the reply of a [`caller`] that got a reject: the refund, the code and the message.
fn decode_reject(answer: &[u8]) -> (u128, u32, String) {
    let refund = u128::from_le_bytes(answer[..16].try_into().unwrap());
    let code = u32::from_le_bytes(answer[16..20].try_into().unwrap());
    (
        refund,
        code,
        String::from_utf8(answer[20..].to_vec()).unwrap(),
    )
}

fn pair(net: &mut Net) -> (Principal, Principal) {
    (net.install(&caller()), net.install(CALLEE))
}

#[test]
fn a_reply_reaches_the_callback_with_the_refund() {
    let mut net = Net::new();
    let (caller, callee) = pair(&mut net);
    let answer = net.update(caller, "reply", callee.as_slice()).unwrap();
    assert_eq!(
        answer,
        [T.to_le_bytes().as_slice(), &[42, 0, 0, 0]].concat()
    );
}

#[test]
fn a_call_within_a_subnet_takes_no_round() {
    let mut net = Net::new();
    let (caller, callee) = pair(&mut net);
    net.update(caller, "reply", callee.as_slice()).unwrap();
    let rounds: Vec<_> = net
        .replica
        .trace()
        .iter()
        .rev()
        .take(3)
        .map(|event| event.round)
        .collect();
    assert_eq!(rounds[0], rounds[2]);
}

#[test]
fn a_reject_reaches_the_callback_with_code_and_message() {
    let mut net = Net::new();
    let (caller, callee) = pair(&mut net);
    let answer = net.update(caller, "refuse", callee.as_slice()).unwrap();
    assert_eq!(decode_reject(&answer), (T, 4, "no, thanks".into()));
}

#[test]
fn a_trap_of_the_callee_is_a_reject_for_the_caller_and_rolls_the_callee_back() {
    let mut net = Net::new();
    let (caller, callee) = pair(&mut net);
    let answer = net.update(caller, "explode", callee.as_slice()).unwrap();
    let message = format!("IC0502: Error from Canister {callee}: Canister trapped: unreachable.");
    assert_eq!(decode_reject(&answer), (T, 5, message));
    assert_eq!(net.number(callee, "count"), 0);
}

#[test]
fn a_callee_that_never_replies_is_rejected_and_keeps_its_state() {
    let mut net = Net::new();
    let (caller, callee) = pair(&mut net);
    let (refund, code, message) =
        decode_reject(&net.update(caller, "silent", callee.as_slice()).unwrap());
    assert_eq!((refund, code), (T, 5));
    assert!(message.starts_with("IC0506: "), "{message}");
    assert_eq!(net.number(callee, "count"), 1);
}

#[test]
fn a_missing_method_is_a_reject() {
    let mut net = Net::new();
    let (caller, callee) = pair(&mut net);
    let answer = net.update(caller, "nowhere", callee.as_slice()).unwrap();
    let message =
        format!("IC0536: Error from Canister {callee}: Canister has no update method 'nowhere'.");
    assert_eq!(decode_reject(&answer), (T, 5, message));
}

#[test]
fn a_missing_canister_is_an_invalid_destination() {
    let mut net = Net::new();
    let (caller, _) = pair(&mut net);
    let mut id = *b"\xff\xff\xff\xff\xff\xe0\x00\x77\x01\x01";
    let (refund, code, message) = decode_reject(&net.update(caller, "reply", &id).unwrap());
    assert_eq!((refund, code), (T, 3));
    assert!(message.contains("not found"), "{message}");
    id[0] = 0;
    // `dfinity/ic` rs/messaging/src/routing/stream_builder.rs: a text without a finer code.
    let (_, code, message) = decode_reject(&net.update(caller, "reply", &id).unwrap());
    let id = Principal::from_slice(&id);
    assert_eq!((code, message), (3, format!("No route to canister {id}")));
}

#[test]
fn accepted_cycles_move_and_the_rest_comes_back() {
    let mut net = Net::new();
    let (caller, callee) = pair(&mut net);
    let before = net.replica.cycles(callee).unwrap();
    let answer = net.update(caller, "take_half", callee.as_slice()).unwrap();
    assert_eq!(
        answer,
        [(T / 2).to_le_bytes(), (T / 2).to_le_bytes()].concat()
    );
    let gained = net.replica.cycles(callee).unwrap() - before;
    // The callee gains the cycles that it accepted, less the price of one message.
    assert!((T / 2 - 10_000_000..T / 2).contains(&gained), "{gained}");
}

#[test]
fn a_trap_gives_accepted_cycles_back() {
    let mut net = Net::new();
    let (caller, callee) = pair(&mut net);
    let before = net.replica.cycles(callee).unwrap();
    let (refund, code, _) = decode_reject(
        &net.update(caller, "take_and_trap", callee.as_slice())
            .unwrap(),
    );
    assert_eq!((refund, code), (T, 5));
    assert!(net.replica.cycles(callee).unwrap() < before);
}

#[test]
fn canisters_of_two_subnets_call_each_other_in_the_next_round() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Application]);
    let caller = net.install(&caller());
    let there = net.create_on(1, 100 * T);
    net.install_as(Install, there, canister(CALLEE), &[])
        .unwrap();
    let answer = net.update(caller, "reply", there.as_slice()).unwrap();
    assert_eq!(answer[16..], [42, 0, 0, 0]);
    let rounds: Vec<_> = net
        .replica
        .trace()
        .iter()
        .rev()
        .take(3)
        .map(|event| event.round)
        .collect();
    assert_eq!([rounds[1] - rounds[2], rounds[0] - rounds[1]], [1, 1]);
}

#[test]
fn a_stopped_canister_takes_no_calls() {
    let mut net = Net::new();
    let (caller, callee) = pair(&mut net);
    net.manage::<()>("stop_canister", record(callee)).unwrap();
    let (refund, code, message) =
        decode_reject(&net.update(caller, "reply", callee.as_slice()).unwrap());
    assert_eq!(
        (refund, code, message),
        (T, 5, format!("IC0508: Canister {callee} is stopped"))
    );
    let reject = net.update(callee, "reply", &[]).unwrap_err();
    assert_eq!(
        (reject.code, reject.error_code.as_str()),
        (RejectCode::CanisterError, "IC0508")
    );
}

/// A callback that changes all state and traps, with a cleanup that writes a mark.
const TRAPPING_CALLBACK: &str = r#"
    (table 4 funcref)
    (elem (i32.const 1) $callback $cleanup)
    (data (i32.const 0) "reply")
    (global $g (mut i32) (i32.const 1))
    (global $cleaned (mut i32) (i32.const 0))
    (func $callback (param i32)
        (global.set $g (i32.const 7))
        (i32.store (i32.const 40000) (i32.const 7))
        (drop (call $stable64_grow (i64.const 1)))
        (call $reply (i32.const 1))
        (unreachable))
    (func $cleanup (param i32)
        (global.set $cleaned (local.get 0))
        (i32.store (i32.const 50000) (i32.const 9)))
    (func $start
        (drop (call $argument))
        (call $new_call (i32.const 0) (i32.const 5) (i32.const 1) (i32.const 1))
        (global.set $g (i32.const 2)))
    (func (export "canister_update with_cleanup")
        (call $start) (call $call_on_cleanup (i32.const 2) (i32.const 33))
        (drop (call $call_perform)))
    (func (export "canister_update without") (call $start) (drop (call $call_perform)))
    (func (export "canister_query g") (call $reply (global.get $g)))
    (func (export "canister_query heap") (call $reply (i32.load (i32.const 40000))))
    (func (export "canister_query stable") (call $reply (i32.wrap_i64 (call $stable64_size))))
    (func (export "canister_query cleaned") (call $reply (global.get $cleaned)))
    (func (export "canister_query mark") (call $reply (i32.load (i32.const 50000))))
"#;

#[test]
fn a_trap_in_a_callback_rolls_back_to_before_the_callback_and_cleanup_is_kept() {
    let mut net = Net::new();
    let callee = net.install(CALLEE);
    let id = net.install(TRAPPING_CALLBACK);
    let reject = net
        .update(id, "with_cleanup", callee.as_slice())
        .unwrap_err();
    assert_eq!(reject.error_code, "IC0502");
    // The changes of the first message (2) and of the cleanup are kept, those of the callback not.
    let state = ["g", "heap", "stable", "cleaned", "mark"].map(|name| net.number(id, name));
    assert_eq!(state, [2, 0, 0, 33, 9]);
    assert_eq!(net.outcomes(Kind::Cleanup), [Outcome::Ok]);
}

#[test]
fn a_trap_in_a_callback_without_cleanup_rejects_the_call() {
    let mut net = Net::new();
    let callee = net.install(CALLEE);
    let id = net.install(TRAPPING_CALLBACK);
    assert_eq!(
        net.update(id, "without", callee.as_slice())
            .unwrap_err()
            .error_code,
        "IC0502"
    );
    let state = ["g", "heap", "stable", "cleaned", "mark"].map(|name| net.number(id, name));
    assert_eq!(state, [2, 0, 0, 0, 0]);
}

/// Interface specification 0.54: `msg_reject_code` is available in a cleanup.
#[test]
fn a_cleanup_reads_the_code_of_the_reject() {
    let mut net = Net::new();
    let callee = net.install(CALLEE);
    let id = net.install(
        r#"(table 4 funcref)
        (elem (i32.const 1) $callback $cleanup)
        (data (i32.const 0) "refusereply")
        (global $code (mut i32) (i32.const 9))
        (func $callback (param i32) (unreachable))
        (func $cleanup (param i32) (global.set $code (call $msg_reject_code)))
        (func $call (param $name i32) (param $size i32)
            (drop (call $argument))
            (call $new_call (local.get $name) (local.get $size) (i32.const 1) (i32.const 1))
            (call $call_on_cleanup (i32.const 2) (i32.const 0))
            (drop (call $call_perform)))
        (func (export "canister_update refuse") (call $call (i32.const 0) (i32.const 6)))
        (func (export "canister_update reply") (call $call (i32.const 6) (i32.const 5)))
        (func (export "canister_query code") (call $reply (global.get $code)))"#,
    );
    for (method, code) in [("refuse", 4), ("reply", 0)] {
        net.update(id, method, callee.as_slice()).unwrap_err();
        assert_eq!(net.number(id, "code"), code, "{method}");
    }
}

#[test]
fn cycles_of_a_call_that_is_never_performed_stay() {
    let mut net = Net::new();
    let id = net.install(
        r#"
        (func (export "canister_update forget")
            (drop (call $argument))
            (call $new_call (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))
            (call $call_cycles_add128 (i64.const 0) (i64.const 1000000000000))
            (call $reply (i32.const 7)))
        "#,
    );
    let before = net.replica.cycles(id).unwrap();
    net.update(id, "forget", id.as_slice()).unwrap();
    assert!(before - net.replica.cycles(id).unwrap() < T / 100);
    net.check_accounts();
}

#[test]
fn ingress_messages_are_limited_in_size() {
    let mut net = Net::new();
    let (caller, _) = pair(&mut net);
    let reject = net.update(caller, "reply", &vec![0; 2 << 20]).unwrap_err();
    assert!(reject.message.contains("too large"), "{}", reject.message);
    assert!(!reject.certified);
}
