//! What canisters do on their own, and what they let in.

use crate::common::Net;
use canic_replica::{Kind, Outcome};

/// Counts how often its timer fires.
const COUNTER: &str = r#"
    (global $timers (mut i32) (i32.const 0))
    (func (export "canister_global_timer") (global.set $timers (i32.add (global.get $timers) (i32.const 1))))
    (func (export "canister_update arm")
        (drop (call $global_timer_set (i64.add (call $time) (i64.const 1000))))
        (call $reply (i32.const 0)))
    (func (export "canister_query timers") (call $reply (global.get $timers)))
"#;

#[test]
fn the_global_timer_fires_once_when_its_time_has_come() {
    let mut net = Net::new();
    let id = net.install(COUNTER);
    net.update(id, "arm", &[]).unwrap();
    let set_at = net.replica.time();
    net.replica.set_time(set_at + 998).unwrap();
    net.replica.tick();
    assert_eq!(
        (net.replica.time(), net.number(id, "timers")),
        (set_at + 999, 0)
    );
    net.replica.tick();
    assert_eq!(net.number(id, "timers"), 1);
    net.replica.tick();
    assert_eq!(net.number(id, "timers"), 1);
    assert_eq!(net.outcomes(Kind::Timer), [Outcome::Ok]);
}

#[test]
fn a_timer_that_traps_is_not_armed_again() {
    let mut net = Net::new();
    let id = net.install(
        r#"
        (func (export "canister_global_timer") (unreachable))
        (func (export "canister_update arm") (drop (call $global_timer_set (i64.const 1))) (call $reply (i32.const 0)))
        "#,
    );
    net.update(id, "arm", &[]).unwrap();
    for _ in 0..3 {
        net.replica.tick();
    }
    assert!(matches!(
        net.outcomes(Kind::Timer)[..],
        [Outcome::Trap { .. }]
    ));
    net.check_accounts();
}

#[test]
fn timers_do_not_survive_an_upgrade() {
    let mut net = Net::new();
    let id = net.install(COUNTER);
    net.update(id, "arm", &[]).unwrap();
    let mode = ic_management_canister_types::CanisterInstallMode::Upgrade(None);
    net.install_as(mode, id, crate::common::canister(COUNTER), &[])
        .unwrap();
    let later = net.replica.time() + 10_000;
    net.replica.set_time(later).unwrap();
    net.replica.tick();
    assert_eq!(net.outcomes(Kind::Timer), []);
}

#[test]
fn timers_fire_in_the_order_of_the_canisters_and_heartbeats_take_turns_with_them() {
    let mut net = Net::new();
    let both = r#"
        (func (export "canister_global_timer") (drop (call $global_timer_set (i64.const 1))))
        (func (export "canister_heartbeat"))
        (func (export "canister_init") (drop (call $global_timer_set (i64.const 1))))
    "#;
    let ids = [net.install(both), net.install(both)];
    let order = |net: &mut Net| {
        let seen = net.replica.trace().len();
        net.replica.tick();
        let events = &net.replica.trace()[seen..];
        events
            .iter()
            .map(|event| (event.canister, event.kind))
            .collect::<Vec<_>>()
    };
    let first = order(&mut net);
    let second = order(&mut net);
    assert_eq!(
        first.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [ids[0], ids[0], ids[1], ids[1]]
    );
    let kinds = |events: &[(_, Kind)]| [events[0].1, events[1].1];
    let mut turned = kinds(&second);
    turned.reverse();
    assert_eq!(kinds(&first), turned);
    assert!(kinds(&first).contains(&Kind::Timer) && kinds(&first).contains(&Kind::Heartbeat));
}

#[test]
fn inspect_message_decides_what_comes_in_from_outside_and_pays_nothing() {
    let mut net = Net::new();
    // Accepts methods with names of four letters.
    let id = net.install(
        r#"
        (func (export "canister_inspect_message")
            (if (i32.eq (call $msg_method_name_size) (i32.const 4)) (then (call $accept_message))))
        (func (export "canister_update good") (call $reply (i32.const 1)))
        (func (export "canister_update not good") (call $reply (i32.const 1)))
        "#,
    );
    let before = net.replica.cycles(id);
    let reject = net.update(id, "not good", &[]).unwrap_err();
    assert_eq!(
        (reject.error_code.as_str(), reject.certified),
        ("IC0406", false)
    );
    assert_eq!(net.replica.cycles(id), before);
    assert_eq!(net.update(id, "good", &[]).unwrap(), [1, 0, 0, 0]);
}

#[test]
fn queries_leave_nothing_behind() {
    let mut net = Net::new();
    let id = net.install(
        r#"
        (global $g (mut i32) (i32.const 0))
        (func $bump (global.set $g (i32.add (global.get $g) (i32.const 1)))
            (i32.store (i32.const 0) (global.get $g))
            (drop (call $stable64_grow (i64.const 1)))
            (call $reply (i32.load (i32.const 0))))
        (func (export "canister_query bump") (call $bump))
        (func (export "canister_update bump_for_good") (call $bump))
        "#,
    );
    let hash = net.replica.state_hash();
    let cycles = net.replica.cycles(id);
    assert_eq!((net.number(id, "bump"), net.number(id, "bump")), (1, 1));
    // The same in replicated execution.
    assert_eq!(net.update(id, "bump", &[]).unwrap(), [1, 0, 0, 0]);
    assert_eq!(net.number(id, "bump"), 1);
    assert_eq!(net.replica.stable_memory(id).unwrap().len(), 0);
    assert_eq!(net.update(id, "bump_for_good", &[]).unwrap(), [1, 0, 0, 0]);
    assert_eq!(net.number(id, "bump"), 2);
    assert!(net.replica.cycles(id) < cycles);
    assert_ne!(net.replica.state_hash(), hash);
}

#[test]
fn system_calls_trap_where_they_are_not_allowed() {
    let mut net = Net::new();
    let id = net.install(
        r#"
        (func (export "canister_query accept") (call $accept_message))
        (func (export "canister_query cycles") (call $msg_cycles_accept128 (i64.const 0) (i64.const 0) (i32.const 0)))
        (func (export "canister_update code") (drop (call $msg_reject_code)))
        (func (export "canister_update twice") (call $reply (i32.const 0)) (call $reply (i32.const 0)))
        "#,
    );
    let query = net.query(id, "cycles", &[]).unwrap_err();
    assert_eq!(query.error_code, "IC0504");
    let text = "\"ic0_msg_cycles_accept128\" cannot be executed in non replicated query mode";
    assert!(query.message.contains(text), "{}", query.message);
    assert_eq!(
        net.query(id, "accept", &[]).unwrap_err().error_code,
        "IC0504"
    );
    let update = net.update(id, "code", &[]).unwrap_err();
    assert!(
        update
            .message
            .contains("\"ic0_msg_reject_code\" cannot be executed in update mode"),
        "{}",
        update.message
    );
    assert_eq!(
        net.update(id, "twice", &[]).unwrap_err().error_code,
        "IC0504"
    );
}

#[test]
fn composite_queries_call_other_queries() {
    let mut net = Net::new();
    let callee =
        net.install(r#"(func (export "canister_query five") (call $reply (i32.const 5)))"#);
    let id = net.install(
        r#"
        (table 4 funcref)
        (elem (i32.const 1) $on_reply $on_reject)
        (data (i32.const 0) "five")
        (global $calls (mut i32) (i32.const 0))
        (func $on_reply (param i32)
            (call $msg_arg_data_copy (i32.const 600) (i32.const 0) (i32.const 4))
            (call $reply (i32.add (i32.load (i32.const 600)) (global.get $calls))))
        (func $on_reject (param i32) (call $reply (call $msg_reject_code)))
        (func (export "canister_composite_query sum")
            (global.set $calls (i32.add (global.get $calls) (i32.const 100)))
            (drop (call $argument))
            (call $new_call (i32.const 0) (i32.const 4) (i32.const 1) (i32.const 2))
            (drop (call $call_perform)))
        "#,
    );
    for _ in 0..2 {
        assert_eq!(
            net.query(id, "sum", callee.as_slice()).unwrap(),
            105_u32.to_le_bytes()
        );
    }
    // A canister without such a method, and a canister that waits already.
    assert_eq!(
        net.query(id, "sum", id.as_slice()).unwrap(),
        5_u32.to_le_bytes()
    );
    assert_eq!(
        net.update(id, "sum", callee.as_slice())
            .unwrap_err()
            .error_code,
        "IC0527"
    );
}

#[test]
fn a_timer_that_cannot_be_paid_for_waits_until_it_can() {
    let mut net = Net::new();
    let id = net.install(COUNTER);
    net.update(id, "arm", &[]).unwrap();
    // Frozen: it must keep more than it has.
    let frozen = ic_management_canister_types::UpdateSettingsArgs {
        canister_id: id,
        settings: ic_management_canister_types::CanisterSettings {
            freezing_threshold: Some((u64::MAX / 2).into()),
            ..Default::default()
        },
        sender_canister_version: None,
    };
    net.manage::<()>("update_settings", (frozen,)).unwrap();
    let later = net.replica.time() + 10_000;
    net.replica.set_time(later).unwrap();
    net.replica.tick();
    assert_eq!(net.outcomes(Kind::Timer), []);
    net.replica.add_cycles(id, 1_000_000_000 * crate::common::T);
    net.replica.tick();
    assert_eq!(net.outcomes(Kind::Timer), [Outcome::Ok]);
    assert_eq!(net.number(id, "timers"), 1);
}

#[test]
fn a_timer_that_is_due_when_the_code_is_replaced_does_not_fire_in_the_new_code() {
    let mut net = Net::new();
    let id = net.install(COUNTER);
    net.update(id, "arm", &[]).unwrap();
    let later = net.replica.time() + 10_000;
    net.replica.set_time(later).unwrap();
    let mode = ic_management_canister_types::CanisterInstallMode::Upgrade(None);
    net.install_as(mode, id, crate::common::canister(COUNTER), &[])
        .unwrap();
    net.replica.tick();
    assert!(net.number(id, "timers") <= 1);
    let fired_late = net
        .events(Kind::Timer)
        .iter()
        .any(|event| event.round >= last_install(&net));
    assert!(!fired_late, "{:?}", net.replica.trace());
}

#[test]
fn a_stopped_canister_does_nothing_of_its_own_accord() {
    let mut net = Net::new();
    let id = net.install(r#"(func (export "canister_heartbeat"))"#);
    net.manage::<()>("stop_canister", crate::common::record(id))
        .unwrap();
    let stopped = net.replica.trace().last().unwrap().round;
    for _ in 0..3 {
        net.replica.tick();
    }
    let beats = net.events(Kind::Heartbeat);
    assert!(
        beats.iter().all(|event| event.round < stopped),
        "stopped in round {stopped}, and then: {beats:?}"
    );
}

/// The round in which code was last installed.
fn last_install(net: &Net) -> u64 {
    let events = net.events(Kind::Management);
    let install = events.iter().rfind(|event| event.method == "install_code");
    install.expect("code was installed").round
}
