//! Queues: the number of messages that can wait, and the order in which they are executed.

use std::collections::BTreeSet;

use candid::Principal;
use canic_replica::{Ingress, IngressStatus, Kind, RejectCode, SubnetKind};
use ic_management_canister_types::CanisterInstallMode::Install;

use crate::common::{Net, T, canister, record};

/// A canister with these methods:
///
/// - `take` records the byte that it is called with, and `taken` replies with all of them.
/// - `flood` calls `take` of another canister with a billion cycles, until a call fails. Its
///   argument is the callee's id, the byte to send, and the greatest number of calls in tens. It
///   replies with the number of calls that were sent (2 bytes) and the code of the call that
///   failed.
const PEER: &str = r#"
    (table 2 funcref) (elem (i32.const 1) $nothing)
    (data (i32.const 0) "take")
    (global $count (mut i32) (i32.const 0))
    (func $nothing (param i32))
    (func $take
        (drop (call $argument))
        (i32.store8 (i32.add (i32.const 3000) (global.get $count)) (i32.load8_u (i32.const 1000)))
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (call $msg_reply))
    (func (export "canister_update take") (call $take))
    (func (export "canister_update flood") (local $sent i32) (local $failed i32) (local $most i32)
        (drop (call $argument))
        (local.set $most (i32.mul (i32.load8_u (i32.const 1011)) (i32.const 10)))
        (block $done (loop $more
            (br_if $done (i32.eq (local.get $sent) (local.get $most)))
            (call $new_call (i32.const 0) (i32.const 4) (i32.const 1) (i32.const 1))
            (call $call_data_append (i32.const 1010) (i32.const 1))
            (call $call_cycles_add128 (i64.const 0) (i64.const 1000000000))
            (local.set $failed (call $call_perform))
            (br_if $done (local.get $failed))
            (local.set $sent (i32.add (local.get $sent) (i32.const 1)))
            (br $more)))
        (i32.store16 (i32.const 900) (local.get $sent))
        (i32.store8 (i32.const 902) (local.get $failed))
        (call $answer (i32.const 900) (i32.const 3)))
    (func (export "canister_query taken") (call $answer (i32.const 3000) (global.get $count)))
"#;

/// Floods `to`; returns the number of sent calls, and the code of the call that failed.
fn flood(net: &mut Net, from: Principal, to: Principal, byte: u8, tens: u8) -> (u16, u8) {
    let message = submit_flood(net, from, to, byte, tens);
    let reply = net.replica.await_ingress(&message).unwrap().unwrap();
    net.check_accounts();
    (u16::from_le_bytes([reply[0], reply[1]]), reply[2])
}

fn submit_flood(net: &mut Net, from: Principal, to: Principal, byte: u8, tens: u8) -> [u8; 32] {
    let argument = [to.as_slice(), &[byte, tens]].concat();
    let flood = net.ingress(from, "flood", &argument);
    net.replica.submit(flood).unwrap()
}

/// The bytes that a canister took, in order.
fn taken(net: &mut Net, id: Principal) -> Vec<u8> {
    net.query(id, "taken", &[]).unwrap()
}

#[test]
fn the_501st_open_call_to_a_canister_fails_as_transient() {
    const SYS_TRANSIENT: u8 = 2;
    let mut net = Net::new();
    let [a, b] = [net.install(PEER), net.install(PEER)];
    let before = net.replica.cycles(a).unwrap();
    assert_eq!(flood(&mut net, a, b, 7, 255), (500, SYS_TRANSIENT));
    net.replica.tick();
    assert_eq!(taken(&mut net, b), [7; 500]);
    // The cycles of the failed call came back, and those of the others, as the callee accepted
    // none.
    assert!(before - net.replica.cycles(a).unwrap() < T / 10);
    // Once the calls are answered the queue has space again.
    assert_eq!(flood(&mut net, a, b, 7, 255), (500, SYS_TRANSIENT));
}

#[test]
fn each_pair_of_caller_and_callee_has_its_own_limit() {
    let mut net = Net::new();
    let [a, b, c] = [0; 3].map(|_| net.install(PEER));
    let full = (500, 2);
    let pairs = [(a, b), (a, c), (c, b), (a, a)];
    let messages = pairs.map(|(from, to)| submit_flood(&mut net, from, to, 1, 255));
    for message in messages {
        let reply = net.replica.await_ingress(&message).unwrap().unwrap();
        assert_eq!((u16::from_le_bytes([reply[0], reply[1]]), reply[2]), full);
    }
    net.replica.tick();
    assert_eq!(
        [a, b, c].map(|id| taken(&mut net, id).len()),
        [500, 1000, 500]
    );
}

#[test]
fn calls_of_one_canister_to_another_arrive_in_order() {
    let mut net = Net::new();
    let [a, b] = [net.install(PEER), net.install(PEER)];
    let messages = [3, 1, 2].map(|byte| submit_flood(&mut net, a, b, byte, 2));
    for message in messages {
        net.replica.await_ingress(&message).unwrap().unwrap();
    }
    let expected = [[3; 20], [1; 20], [2; 20]].concat();
    assert_eq!(taken(&mut net, b), expected);
}

#[test]
fn senders_take_turns_so_that_a_flood_delays_only_its_sender() {
    let mut net = Net::new();
    // Canisters execute in the order of their ids: the first two send before the third executes.
    let [a, b, c] = [0; 3].map(|_| net.install(PEER));
    submit_flood(&mut net, a, c, 1, 50);
    submit_flood(&mut net, b, c, 2, 1);
    for _ in 0..3 {
        net.replica.submit(net.ingress(c, "take", &[3])).unwrap();
    }
    net.replica.tick();
    let taken = taken(&mut net, c);
    assert_eq!(taken.len(), 513);
    // Canisters and ingress messages take turns, and so do the two canisters.
    assert_eq!(taken[..9], [1, 3, 2, 3, 1, 3, 2, 1, 2]);
    assert!(taken[..23].iter().filter(|byte| **byte == 2).count() == 10);
    assert!(taken[23..].iter().all(|byte| *byte == 1));
}

#[test]
fn canisters_of_other_subnets_have_a_turn_of_their_own() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Application]);
    let [near, id] = [net.install(PEER), net.install(PEER)];
    let far = net.create_on(1, 100 * T);
    net.install_as(Install, far, canister(PEER), &[]).unwrap();
    submit_flood(&mut net, far, id, 9, 1);
    net.replica.tick();
    // The calls of the other subnet arrive in the round in which the local canister sends.
    submit_flood(&mut net, near, id, 1, 1);
    for _ in 0..2 {
        net.replica.submit(net.ingress(id, "take", &[3])).unwrap();
    }
    net.replica.tick();
    assert_eq!(taken(&mut net, id)[..8], [1, 3, 9, 1, 3, 9, 1, 9]);
}

/// A canister that calls itself for ever, and uses more instructions each time than a round has.
const HOG: &str = r#"
    (table 2 funcref) (elem (i32.const 1) $nothing) (func $nothing (param i32))
    (data (i32.const 0) "again")
    (func (export "canister_update again") (local $i i32)
        (drop (call $argument))
        (loop $more
            (memory.fill (i32.const 2000) (i32.const 0) (i32.const 60000))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 120000))))
        (call $new_call (i32.const 0) (i32.const 5) (i32.const 1) (i32.const 1))
        (call $call_data_append (i32.const 1000) (i32.const 10))
        (drop (call $call_perform)))
"#;

fn hog(net: &mut Net) -> Principal {
    let id = net.install(HOG);
    net.replica
        .submit(net.ingress(id, "again", id.as_slice()))
        .unwrap();
    id
}

#[test]
fn busy_canisters_do_not_starve_another_canister() {
    let mut net = Net::new();
    let hogs = [hog(&mut net), hog(&mut net)];
    let id = net.install(
        r#"(func (export "canister_heartbeat"))
        (func (export "canister_update hello") (call $reply (i32.const 1)))"#,
    );
    net.replica.tick();
    // The first busy canister uses up a round, the second the next; then the third has its turn.
    let message = net.replica.submit(net.ingress(id, "hello", &[])).unwrap();
    let rounds = |net: &Net, id| {
        let events = net.replica.trace().iter();
        let rounds: BTreeSet<_> = events
            .filter(|event| event.canister == id)
            .map(|event| event.round)
            .collect();
        rounds.len()
    };
    let before = hogs.map(|id| rounds(&net, id));
    for _ in 0..3 {
        net.replica.tick();
    }
    let status = net.replica.ingress_status(&message);
    assert!(matches!(status, IngressStatus::Done(Ok(_))), "{status:?}");
    let after = hogs.map(|id| rounds(&net, id));
    assert!(before[0] < after[0] && before[1] < after[1]);
    assert_ne!(net.events(Kind::Heartbeat), []);
}

#[test]
fn a_busy_canister_does_not_delay_other_subnets() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Application]);
    hog(&mut net);
    let far = net.create_on(1, 100 * T);
    net.install_as(Install, far, canister(PEER), &[]).unwrap();
    for _ in 0..3 {
        let message = net.replica.submit(net.ingress(far, "take", &[1])).unwrap();
        net.replica.tick();
        let status = net.replica.ingress_status(&message);
        assert!(matches!(status, IngressStatus::Done(Ok(_))), "{status:?}");
    }
}

#[test]
fn ingress_messages_time_out_after_five_minutes_in_the_queue() {
    let mut net = Net::new();
    let id = net.install(PEER);
    let take = |net: &mut Net, wait: u64| {
        let canister = net.ingress(id, "take", &[1]);
        let management = Ingress {
            effective: None,
            ..net.ingress(
                Principal::management_canister(),
                "start_canister",
                &candid::encode_args(record(id)).unwrap(),
            )
        };
        let messages = [canister, management].map(|call| net.replica.submit(call).unwrap());
        let later = net.replica.time() + wait;
        net.replica.set_time(later).unwrap();
        net.replica.tick();
        messages.map(|message| match net.replica.ingress_status(&message) {
            IngressStatus::Done(result) => (message, result),
            other => panic!("{other:?}"),
        })
    };
    const MINUTES: u64 = 60_000_000_000;
    for (_, result) in take(&mut net, 5 * MINUTES) {
        result.unwrap();
    }
    for (message, result) in take(&mut net, 5 * MINUTES + 1) {
        let reject = result.unwrap_err();
        assert_eq!(
            (reject.code, reject.error_code.as_str()),
            (RejectCode::SysTransient, "IC0202")
        );
        let name = hex::encode(message);
        assert_eq!(
            reject.message,
            format!("Ingress message 0x{name} timed out waiting to start executing.")
        );
    }
    assert_eq!(taken(&mut net, id), [1]);
}
