//! System tasks of canisters (timers, heartbeats, low-memory hooks), inspection, and queries.

use candid::{Principal, encode_one};
use canic_replica::{Kind, Outcome};
use ic_management_canister_types::{
    self as types,
    CanisterInstallMode::{Reinstall, Upgrade},
};

use crate::common::{Net, T, canister, record};

/// A canister that counts how often its timer fires.
const COUNTER: &str = r#"
    (global $timers (mut i32) (i32.const 0))
    (func (export "canister_global_timer")
        (global.set $timers (i32.add (global.get $timers) (i32.const 1))))
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
    net.replica.set_time(set_at + 999).unwrap();
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
        (func (export "canister_update arm")
            (drop (call $global_timer_set (i64.const 1))) (call $reply (i32.const 0)))
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
    net.install_as(Upgrade(None), id, canister(COUNTER), &[])
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
fn the_timer_the_heartbeat_and_messages_take_turns_in_being_first() {
    let mut net = Net::new();
    let id = net.install(
        r#"
        (func $again (drop (call $global_timer_set (i64.const 1))))
        (func (export "canister_init") (call $again))
        (func (export "canister_global_timer") (call $again))
        (func (export "canister_heartbeat"))
        (func (export "canister_update hello") (call $msg_reply))
        "#,
    );
    let rounds: Vec<_> = (0..6)
        .map(|_| {
            net.replica.submit(net.ingress(id, "hello", &[])).unwrap();
            let seen = net.replica.trace().len();
            net.replica.tick();
            let events = &net.replica.trace()[seen..];
            events.iter().map(|event| event.kind).collect::<Vec<_>>()
        })
        .collect();
    let turns = [
        vec![Kind::Timer, Kind::Heartbeat, Kind::Ingress],
        vec![Kind::Heartbeat, Kind::Timer, Kind::Ingress],
        vec![Kind::Ingress],
    ];
    let first = rounds.iter().position(|round| *round == turns[0]);
    let first = first.expect("the timer has its turn");
    assert_eq!(rounds[first..first + 3], turns);
}

#[test]
fn inspect_message_decides_on_ingress_messages_and_costs_nothing() {
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
fn queries_change_no_state() {
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
    // The same holds in replicated execution.
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
        (func (export "canister_query cycles")
            (call $msg_cycles_accept128 (i64.const 0) (i64.const 0) (i32.const 0)))
        (func (export "canister_update code") (drop (call $msg_reject_code)))
        (func (export "canister_update twice")
            (call $reply (i32.const 0)) (call $reply (i32.const 0)))
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
    // The canister itself has no such method; and a composite query cannot be called as an update.
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
    // The threshold freezes the canister.
    let frozen = types::CanisterSettings {
        freezing_threshold: Some((u64::MAX / 2).into()),
        ..Default::default()
    };
    net.update_settings(id, frozen).unwrap();
    let later = net.replica.time() + 10_000;
    net.replica.set_time(later).unwrap();
    net.replica.tick();
    assert_eq!(net.outcomes(Kind::Timer), []);
    net.replica.add_cycles(id, 1_000_000_000_000 * T);
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
    net.install_as(Upgrade(None), id, canister(COUNTER), &[])
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
fn a_stopped_canister_runs_no_heartbeat() {
    let mut net = Net::new();
    let id = net.install(r#"(func (export "canister_heartbeat"))"#);
    net.manage::<()>("stop_canister", record(id)).unwrap();
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

/// A canister that counts the runs of its low-memory hook. `grow` grows its memory by as many pages
/// as the argument has bytes.
const LOW_MEMORY: &str = r#"
    (global $runs (mut i32) (i32.const 0))
    (func (export "canister_on_low_wasm_memory")
        (global.set $runs (i32.add (global.get $runs) (i32.const 1))))
    (func (export "canister_update grow")
        (drop (memory.grow (call $msg_arg_data_size))) (call $reply (i32.const 0)))
    (func (export "canister_update runs_in_update") (call $reply (global.get $runs)))
    (func (export "canister_query runs") (call $reply (global.get $runs)))
"#;

/// Sets the limit of the heap and the threshold of the low-memory hook, in WebAssembly pages.
pub(crate) fn set_memory(net: &mut Net, id: Principal, limit: u64, threshold: u64) {
    let settings = types::CanisterSettings {
        wasm_memory_limit: Some((limit * 65_536).into()),
        wasm_memory_threshold: Some((threshold * 65_536).into()),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
}

#[test]
fn the_low_memory_hook_runs_once_each_time_memory_becomes_low() {
    let mut net = Net::new();
    let id = net.install(LOW_MEMORY);
    set_memory(&mut net, id, 10, 4);
    // 4 pages are left in the end, which is not less than the threshold.
    for _ in 0..5 {
        net.update(id, "grow", &[0]).unwrap();
        net.replica.tick();
    }
    assert_eq!(net.number(id, "runs"), 0);
    // 3 pages are left; with fewer pages the hook does not run again.
    for _ in 0..3 {
        net.update(id, "grow", &[0]).unwrap();
        net.replica.tick();
        assert_eq!(net.number(id, "runs"), 1);
    }
    assert_eq!(net.outcomes(Kind::LowMemory), [Outcome::Ok]);
    // New settings give enough memory, and then too little again.
    set_memory(&mut net, id, 20, 4);
    net.replica.tick();
    set_memory(&mut net, id, 12, 4);
    net.replica.tick();
    assert_eq!(net.number(id, "runs"), 2);
    // After a reinstallation the hook runs again.
    let module = canister(LOW_MEMORY);
    net.install_as(Reinstall, id, module, &[]).unwrap();
    net.replica.tick();
    net.update(id, "grow", &[0; 9]).unwrap();
    net.replica.tick();
    assert_eq!(net.number(id, "runs"), 1);
    net.check_accounts();
}

#[test]
fn the_low_memory_hook_runs_before_other_messages_and_tasks() {
    let mut net = Net::new();
    let id = net.install(LOW_MEMORY);
    set_memory(&mut net, id, 10, 4);
    net.replica
        .submit(net.ingress(id, "grow", &[0; 7]))
        .unwrap();
    let next = net
        .replica
        .submit(net.ingress(id, "runs_in_update", &[]))
        .unwrap();
    let runs = net.replica.await_ingress(&next).unwrap().unwrap();
    assert_eq!(runs, 1_u32.to_le_bytes());
}

#[test]
fn the_low_memory_hook_does_not_run_after_a_trap_or_without_a_threshold() {
    let mut net = Net::new();
    let traps = r#"(func (export "canister_update trap")
        (drop (memory.grow (i32.const 7))) (unreachable))"#;
    let id = net.install(&format!("{LOW_MEMORY}{traps}"));
    set_memory(&mut net, id, 10, 4);
    net.update(id, "trap", &[]).unwrap_err();
    net.replica.tick();
    set_memory(&mut net, id, 10, 0);
    net.update(id, "grow", &[0; 9]).unwrap();
    net.replica.tick();
    assert_eq!(net.outcomes(Kind::LowMemory), []);
}

#[test]
fn a_low_memory_hook_that_traps_or_is_missing_is_not_retried() {
    let mut net = Net::new();
    let grow = r#"(func (export "canister_update grow")
        (drop (memory.grow (i32.const 7))) (call $reply (i32.const 0)))"#;
    let traps = r#"(func (export "canister_on_low_wasm_memory") (unreachable))"#;
    for body in [grow.to_owned(), format!("{grow}{traps}")] {
        let id = net.install(&body);
        set_memory(&mut net, id, 10, 4);
        net.update(id, "grow", &[]).unwrap();
        for _ in 0..3 {
            net.replica.tick();
        }
    }
    assert!(matches!(
        net.outcomes(Kind::LowMemory)[..],
        [Outcome::Trap { .. }]
    ));
}

#[test]
fn a_low_memory_hook_waits_until_its_canister_runs_and_can_pay() {
    let mut net = Net::new();
    let id = net.install(LOW_MEMORY);
    net.update(id, "grow", &[0; 7]).unwrap();
    net.manage::<()>("stop_canister", record(id)).unwrap();
    set_memory(&mut net, id, 10, 4);
    net.replica.tick();
    assert_eq!(net.outcomes(Kind::LowMemory), []);
    let frozen = types::CanisterSettings {
        freezing_threshold: Some((1_u64 << 50).into()),
        ..Default::default()
    };
    let start = encode_one(types::CanisterIdRecord { canister_id: id });
    let start = net.ingress(
        Principal::management_canister(),
        "start_canister",
        &start.unwrap(),
    );
    let start = net.replica.submit(start).unwrap();
    net.update_settings(id, frozen).unwrap();
    net.replica.await_ingress(&start).unwrap().unwrap();
    net.replica.tick();
    assert_eq!(net.outcomes(Kind::LowMemory), []);
    net.replica.add_cycles(id, 1 << 70).unwrap();
    net.replica.tick();
    assert_eq!(net.outcomes(Kind::LowMemory), [Outcome::Ok]);
}

#[test]
fn a_reject_names_the_traps_of_the_callback_and_of_the_cleanup() {
    let mut net = Net::new();
    let body = r#"
        (table 3 funcref) (elem (i32.const 1) $reply_trap $cleanup_trap)
        (data (i32.const 500) "reply") (data (i32.const 520) "cleanup")
        (data (i32.const 540) "yes")
        (func $reply_trap (param i32) (call $trap (i32.const 500) (i32.const 5)))
        (func $cleanup_trap (param i32) (call $trap (i32.const 520) (i32.const 7)))
        (func $go (drop (call $argument))
            (call $new_call (i32.const 540) (i32.const 3) (i32.const 1) (i32.const 1))
            (call $call_on_cleanup (i32.const 2) (i32.const 0)) (drop (call $call_perform)))
        (func (export "canister_query yes") (call $msg_reply))
        (func (export "canister_update go") (call $go))
        (func (export "canister_composite_query go_asking") (call $go))"#;
    let (caller, callee) = (net.install(body), net.install(body));
    let called = |text: &str| format!("Canister called `ic0.trap` with message: '{text}'.");
    let expected = format!(
        "Error from Canister {caller}: {}\n\ncall_on_cleanup also failed:\n\n{}",
        called("reply"),
        called("cleanup")
    );
    let replicated = net.update(caller, "go", callee.as_slice()).unwrap_err();
    let queried = net
        .query(caller, "go_asking", callee.as_slice())
        .unwrap_err();
    for reject in [replicated, queried] {
        assert_eq!(
            (reject.message, reject.error_code.as_str()),
            (expected.clone(), "IC0503")
        );
    }
}

#[test]
fn the_counter_of_a_composite_query_includes_its_callbacks_and_not_its_callees() {
    let mut net = Net::new();
    let body = r#"
        (table 2 funcref) (elem (i32.const 1) $done) (data (i32.const 540) "work")
        (func (export "canister_query work") (local $i i32)
            (loop $more (br_if $more (i32.lt_u
                (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))
            (call $msg_reply))
        (func (export "canister_composite_query ask") (drop (call $argument))
            (call $new_call (i32.const 540) (i32.const 4) (i32.const 1) (i32.const 1))
            (drop (call $call_perform)))
        (func $done (param i32)
            (i64.store (i32.const 900) (call $performance_counter (i32.const 0)))
            (i64.store (i32.const 908) (call $performance_counter (i32.const 1)))
            (call $answer (i32.const 900) (i32.const 16)))"#;
    let (caller, callee) = (net.install(body), net.install(body));
    let reply = net.query(caller, "ask", callee.as_slice()).unwrap();
    let (message, context) = reply.split_at(8);
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
    let earlier = number(context) - number(message);
    // A call takes 1,500 instructions to begin and 5,000 to perform. Those of the callee do not
    // count.
    assert!((6_500..20_000).contains(&earlier), "{earlier}");
}
