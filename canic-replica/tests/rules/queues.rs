//! How many messages wait, whose turn it is, and who has to wait for whom.

use candid::Principal;
use canic_replica::{Ingress, IngressStatus, Kind, RejectCode, SubnetKind};

use crate::common::{Net, T, record};

/// `take` notes the byte that it is called with; `order` answers all of them. `flood` calls `take` of the canister that
/// its argument names with 1 T cycles and the byte behind the id, until that fails or so many calls are sent as the
/// byte after it says; answers how many were sent (2 bytes) and how the last one failed. `attach` of the same argument
/// answers the balance after one failed call.
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
        (i32.store16 (i32.const 900) (local.get $sent)) (i32.store8 (i32.const 902) (local.get $failed))
        (call $answer (i32.const 900) (i32.const 3)))
    (func (export "canister_query order") (call $answer (i32.const 3000) (global.get $count)))
"#;

/// Sent calls, and the code of the call that failed.
fn flood(net: &mut Net, from: Principal, to: Principal, byte: u8, tens: u8) -> (u16, u8) {
    let message = submit_flood(net, from, to, byte, tens);
    let reply = net.replica.await_ingress(&message).unwrap().unwrap();
    net.check_accounts();
    (u16::from_le_bytes([reply[0], reply[1]]), reply[2])
}

fn submit_flood(net: &mut Net, from: Principal, to: Principal, byte: u8, tens: u8) -> [u8; 32] {
    let argument = [to.as_slice(), &[byte, tens]].concat();
    let order = net.ingress(from, "flood", &argument);
    net.replica.submit(order).unwrap()
}

fn order(net: &mut Net, id: Principal) -> Vec<u8> {
    net.query(id, "order", &[]).unwrap()
}

#[test]
fn of_calls_to_one_canister_500_are_open_and_the_next_one_is_transient() {
    const SYS_TRANSIENT: u8 = 2;
    let mut net = Net::new();
    let [a, b] = [net.install(PEER), net.install(PEER)];
    let before = net.replica.cycles(a).unwrap();
    assert_eq!(flood(&mut net, a, b, 7, 255), (500, SYS_TRANSIENT));
    net.replica.tick();
    assert_eq!(order(&mut net, b), [7; 500]);
    // The cycles of the call that failed came back, those of the others too, as nobody took them.
    assert!(before - net.replica.cycles(a).unwrap() < T / 10);
    // Once they are answered there is room again.
    assert_eq!(flood(&mut net, a, b, 7, 255), (500, SYS_TRANSIENT));
}

#[test]
fn calls_to_and_from_others_and_to_oneself_have_room_of_their_own() {
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
        [a, b, c].map(|id| order(&mut net, id).len()),
        [500, 1000, 500]
    );
}

#[test]
fn what_one_canister_sends_to_another_arrives_in_order() {
    let mut net = Net::new();
    let [a, b] = [net.install(PEER), net.install(PEER)];
    let messages = [3, 1, 2].map(|byte| submit_flood(&mut net, a, b, byte, 2));
    for message in messages {
        net.replica.await_ingress(&message).unwrap().unwrap();
    }
    let expected = [[3; 20], [1; 20], [2; 20]].concat();
    assert_eq!(order(&mut net, b), expected);
}

#[test]
fn senders_take_turns_so_that_who_floods_makes_only_himself_wait() {
    let mut net = Net::new();
    // Canisters execute in the order of their ids: these two send before the third takes.
    let [a, b, c] = [0; 3].map(|_| net.install(PEER));
    submit_flood(&mut net, a, c, 1, 50);
    submit_flood(&mut net, b, c, 2, 1);
    for _ in 0..3 {
        net.replica.submit(net.ingress(c, "take", &[3])).unwrap();
    }
    net.replica.tick();
    let order = order(&mut net, c);
    assert_eq!(order.len(), 513);
    // Canisters and users take turns, and among the canisters the two.
    assert_eq!(order[..9], [1, 3, 2, 3, 1, 3, 2, 1, 2]);
    assert!(order[..23].iter().filter(|byte| **byte == 2).count() == 10);
    assert!(order[23..].iter().all(|byte| *byte == 1));
}

#[test]
fn canisters_of_other_subnets_have_a_turn_of_their_own() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Application]);
    let [near, id] = [net.install(PEER), net.install(PEER)];
    let far = net.create_on(1, 100 * T);
    let mode = ic_management_canister_types::CanisterInstallMode::Install;
    net.install_as(mode, far, crate::common::canister(PEER), &[])
        .unwrap();
    submit_flood(&mut net, far, id, 9, 1);
    net.replica.tick();
    // What comes from far away arrives in the round in which the others send.
    submit_flood(&mut net, near, id, 1, 1);
    for _ in 0..2 {
        net.replica.submit(net.ingress(id, "take", &[3])).unwrap();
    }
    net.replica.tick();
    assert_eq!(order(&mut net, id)[..8], [1, 3, 9, 1, 3, 9, 1, 9]);
}

/// Calls itself for ever, with more instructions each time than a round has.
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
fn a_canister_that_never_rests_starves_nobody() {
    let mut net = Net::new();
    let hogs = [hog(&mut net), hog(&mut net)];
    let id = net.install(
        r#"(func (export "canister_heartbeat")) (func (export "canister_update hello") (call $reply (i32.const 1)))"#,
    );
    net.replica.tick();
    // One of them uses up a round, the other one the next, and then it is the turn of the third.
    let message = net.replica.submit(net.ingress(id, "hello", &[])).unwrap();
    let rounds = |net: &Net, id| {
        let events = net.replica.trace().iter();
        let rounds: std::collections::BTreeSet<_> = events
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
fn a_canister_that_never_rests_does_not_delay_other_subnets() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Application]);
    hog(&mut net);
    let far = net.create_on(1, 100 * T);
    let mode = ic_management_canister_types::CanisterInstallMode::Install;
    net.install_as(mode, far, crate::common::canister(PEER), &[])
        .unwrap();
    for _ in 0..3 {
        let message = net.replica.submit(net.ingress(far, "take", &[1])).unwrap();
        net.replica.tick();
        let status = net.replica.ingress_status(&message);
        assert!(matches!(status, IngressStatus::Done(Ok(_))), "{status:?}");
    }
}

#[test]
fn what_waits_for_five_minutes_outside_is_not_begun() {
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
    assert_eq!(order(&mut net, id), [1]);
}
