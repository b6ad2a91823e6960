//! Injected faults: each fires on the messages that it names, has the effect that it names, and
//! changes nothing else.

use candid::Principal;
use canic_replica::{Chaos, Effect, Fault, Kind, Outcome, RejectCode};
use ic_management_canister_types::{self as types, CanisterInstallMode::Install};

use crate::common::{Net, T, canister, record};

/// A caller that replies with the callee's first word, or with 1000 plus the reject code; and a
/// callee that counts its calls and accepts 500 cycles with each.
const PAIR: &str = r#"
    (table 4 funcref)
    (elem (i32.const 1) $replied $rejected $cleaned)
    (data (i32.const 0) "count")
    (global $count (mut i32) (i32.const 0))
    (global $replies (mut i32) (i32.const 0))
    (global $cleanups (mut i32) (i32.const 0))
    (func $replied (param i32)
        (global.set $replies (i32.add (global.get $replies) (i32.const 1)))
        (drop (call $argument)) (call $reply (i32.load (i32.const 1000))))
    (func $rejected (param i32) (call $reply (i32.add (i32.const 1000) (call $msg_reject_code))))
    (func $cleaned (param i32)
        (global.set $cleanups (i32.add (global.get $cleanups) (i32.const 1))))
    (func (export "canister_update ask")
        (drop (call $argument))
        (call $new_call (i32.const 0) (i32.const 5) (i32.const 1) (i32.const 2))
        (call $call_on_cleanup (i32.const 3) (i32.const 0))
        (call $call_cycles_add128 (i64.const 0) (i64.const 2000))
        (if (call $call_perform) (then (call $reply (i32.const 7)))))
    (func (export "canister_update count")
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (call $msg_cycles_accept128 (i64.const 0) (i64.const 500) (i32.const 100))
        (call $reply (global.get $count)))
    (func (export "canister_query counted") (call $reply (global.get $count)))
    (func (export "canister_query replies") (call $reply (global.get $replies)))
    (func (export "canister_query cleanups") (call $reply (global.get $cleanups)))
    (func (export "canister_update alarm")
        (drop (call $global_timer_set (call $time))) (call $reply (i32.const 0)))
    (func (export "canister_global_timer")
        (global.set $count (i32.add (global.get $count) (i32.const 100))))
"#;

struct Pair {
    net: Net,
    caller: Principal,
    callee: Principal,
}

impl Pair {
    fn new() -> Self {
        let mut net = Net::new();
        let (caller, callee) = (net.install(PAIR), net.install(PAIR));
        Self {
            net,
            caller,
            callee,
        }
    }

    /// Lets the caller call the callee; returns its reply, or the message of its reject.
    fn ask(&mut self) -> Result<u32, String> {
        let reply = self.net.update(self.caller, "ask", self.callee.as_slice());
        reply
            .map(|reply| u32::from_le_bytes(reply.try_into().unwrap()))
            .map_err(|reject| reject.message)
    }

    fn counted(&mut self) -> u32 {
        self.net.number(self.callee, "counted")
    }
}

#[test]
fn a_rejected_call_is_not_delivered_and_all_cycles_come_back() {
    let codes = [
        RejectCode::SysFatal,
        RejectCode::SysTransient,
        RejectCode::DestinationInvalid,
        RejectCode::CanisterReject,
        RejectCode::CanisterError,
        RejectCode::SysUnknown,
    ];
    for code in codes {
        let mut pair = Pair::new();
        let callee = pair.callee;
        let fault = Fault::on_call(Effect::reject(code)).callee(callee);
        pair.net.replica.inject(fault);
        let before = pair.net.replica.cycles(callee);
        assert_eq!(pair.ask(), Ok(1000 + code as u32));
        assert_eq!(pair.counted(), 0);
        assert_eq!(pair.net.replica.cycles(callee), before);
        // The fault fires only once.
        assert_eq!(pair.ask(), Ok(1));
    }
}

#[test]
fn a_lost_reply_keeps_the_changes_of_the_callee() {
    let mut pair = Pair::new();
    let (caller, callee) = (pair.caller, pair.callee);
    let fault = Fault::on_answer(Effect::reject(RejectCode::SysUnknown))
        .caller(caller)
        .method("count");
    pair.net.replica.inject(fault);
    let before = pair.net.replica.cycles(callee).unwrap();
    assert_eq!(pair.ask(), Ok(1006));
    assert_eq!(pair.counted(), 1);
    // The callee ran: it paid for that, and kept 500 cycles.
    assert_ne!(pair.net.replica.cycles(callee).unwrap(), before);
    assert_eq!(pair.net.outcomes(Kind::Reject), [Outcome::Reply]);
}

#[test]
fn a_trapped_callback_is_rolled_back_and_cleaned_up() {
    let mut pair = Pair::new();
    let fault = Fault::on_answer(Effect::trap()).callee(pair.callee);
    pair.net.replica.inject(fault);
    let error = pair.ask().unwrap_err();
    assert!(
        error.ends_with("Canister trapped: injected fault after the last instruction."),
        "{error}"
    );
    assert_eq!(pair.counted(), 1);
    assert_eq!(pair.net.number(pair.caller, "replies"), 0);
    assert_eq!(pair.net.number(pair.caller, "cleanups"), 1);
    let events = pair.net.events(Kind::Reply);
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].caller, events[0].method.as_str()),
        (pair.callee, "count")
    );
    let fired = pair.net.replica.fired_faults();
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].event, events[0].seq);
}

#[test]
fn a_method_traps_at_the_nth_instruction() {
    let mut pair = Pair::new();
    let after = |n| Effect::Trap { after: Some(n) };
    pair.net
        .replica
        .inject(Fault::on_call(after(20)).method("count"));
    assert_eq!(pair.ask(), Ok(1005));
    assert_eq!(pair.counted(), 0);
    let ran = pair.net.events(Kind::Update);
    assert_eq!(ran[0].instructions, 20);
    let Outcome::Trap { message } = &ran[0].outcome else {
        panic!("{:?}", ran[0].outcome);
    };
    assert!(
        message.contains("injected fault at instruction 20"),
        "{message}"
    );
    // A message that ends before that instruction does not trap.
    pair.net
        .replica
        .inject(Fault::on_call(after(1_000_000)).method("count"));
    assert_eq!(pair.ask(), Ok(1));
}

#[test]
fn a_callee_out_of_cycles_does_not_run() {
    let mut pair = Pair::new();
    let broke = Fault::on_call(Effect::OutOfCycles);
    pair.net.replica.inject(broke.clone().method("count"));
    assert_eq!(pair.ask(), Ok(1002));
    assert_eq!(pair.counted(), 0);
    let reject = pair
        .net
        .outcomes(Kind::Call)
        .pop()
        .map(|outcome| format!("{outcome:?}"))
        .unwrap();
    assert!(reject.contains("IC0207"), "{reject}");
}

#[test]
fn a_callback_out_of_cycles_cannot_call() {
    // A caller that calls again on any answer, and replies with the result of `call_perform`.
    const AGAIN: &str = r#"
        (table 2 funcref)
        (elem (i32.const 1) $again)
        (data (i32.const 0) "count")
        (func $call (result i32)
            (call $new_call (i32.const 0) (i32.const 5) (i32.const 1) (i32.const 1))
            (call $call_perform))
        (func $again (param i32) (call $reply (call $call)))
        (func (export "canister_update ask") (drop (call $argument)) (drop (call $call)))
    "#;
    for (fault, expected) in [(false, 0), (true, 2)] {
        let mut net = Net::new();
        let (caller, callee) = (net.install(AGAIN), net.install(PAIR));
        if fault {
            net.replica
                .inject(Fault::on_answer(Effect::OutOfCycles).caller(caller));
        }
        let reply = net.update(caller, "ask", callee.as_slice()).unwrap();
        assert_eq!(u32::from_le_bytes(reply.try_into().unwrap()), expected);
    }
}

#[test]
fn a_delayed_message_waits_while_others_pass() {
    for (fault, expected) in [
        (Fault::on_call(Effect::Delay { rounds: 3 }), 2),
        (Fault::on_answer(Effect::Delay { rounds: 3 }), 1),
    ] {
        let mut pair = Pair::new();
        let (caller, callee) = (pair.caller, pair.callee);
        pair.net.replica.inject(fault.callee(callee));
        let ask = pair.net.ingress(caller, "ask", callee.as_slice());
        let count = pair.net.ingress(callee, "count", &[]);
        let id = pair.net.replica.submit(ask).unwrap();
        pair.net.replica.tick();
        pair.net.replica.submit(count).unwrap();
        pair.net.check_accounts();
        let round = pair.net.replica.fired_faults()[0].round;
        let reply = pair.net.replica.await_ingress(&id).unwrap().unwrap();
        assert_eq!(u32::from_le_bytes(reply.try_into().unwrap()), expected);
        let answered = pair.net.events(Kind::Reply)[0].round;
        assert_eq!(answered, round + 3);
        assert_eq!(pair.counted(), 2);
    }
}

#[test]
fn faults_fire_on_management_calls_too() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let install = |net: &mut Net| net.install_as(Install, id, canister(PAIR), &[]);
    let effects = [
        (Effect::trap(), "IC0502"),
        (Effect::OutOfCycles, "IC0207"),
        (Effect::reject(RejectCode::SysFatal), "IC0101"),
    ];
    for (effect, code) in effects {
        net.replica
            .inject(Fault::on_call(effect).method("install_code"));
        assert_eq!(install(&mut net).unwrap_err().error_code, code);
    }
    install(&mut net).unwrap();
}

#[test]
fn a_fault_traps_each_step_of_an_installation() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let module = canister(
        r#"(func (export "canister_init")) (func (export "canister_pre_upgrade"))
        (func (export "canister_post_upgrade"))"#,
    );
    net.replica
        .inject(Fault::on_call(Effect::trap()).method("canister_init"));
    let reject = net
        .install_as(Install, id, module.clone(), &[])
        .unwrap_err();
    assert!(reject.message.contains("injected fault"), "{reject:?}");
    assert_eq!(net.status(id).module_hash, None);
    net.install_as(Install, id, module.clone(), &[]).unwrap();
    for method in ["canister_pre_upgrade", "canister_post_upgrade"] {
        net.replica
            .inject(Fault::on_call(Effect::trap()).method(method));
        let upgrade = types::CanisterInstallMode::Upgrade(None);
        net.install_as(upgrade, id, module.clone(), &[])
            .unwrap_err();
        let last = net.events(Kind::Lifecycle).pop().unwrap();
        assert_eq!(last.method, method);
    }
}

#[test]
fn a_fault_on_a_timer_delays_it_or_traps_it() {
    let mut net = Net::new();
    let id = net.install(PAIR);
    let timer = |effect| Fault::on_call(effect).method("canister_global_timer");
    net.replica
        .inject(timer(Effect::reject(RejectCode::SysTransient)).times(2));
    let mut trapped = net.clone();
    net.update(id, "alarm", &[]).unwrap();
    let mut counts = Vec::new();
    for _ in 0..4 {
        counts.push(net.number(id, "counted"));
        net.replica.tick();
    }
    assert_eq!(counts, [0, 0, 0, 100]);
    trapped.replica.clear_faults();
    trapped.replica.inject(timer(Effect::trap()));
    trapped.update(id, "alarm", &[]).unwrap();
    trapped.replica.tick();
    trapped.replica.tick();
    assert_eq!(trapped.number(id, "counted"), 0);
    assert!(matches!(
        trapped.outcomes(Kind::Timer)[..],
        [Outcome::Trap { .. }]
    ));
}

#[test]
fn chaos_is_the_same_for_the_same_seed_and_repeats_fault_by_fault() {
    let run = |pair: &mut Pair| -> Vec<_> {
        let answers = (0..60).map(|_| pair.ask()).collect();
        pair.net.check_accounts();
        answers
    };
    let mut pair = Pair::new();
    let calm = Pair {
        net: pair.net.clone(),
        ..pair
    };
    let chaos = |seed| Chaos {
        seed,
        per_mille: 200,
        caller: Some(calm.caller),
        callee: None,
    };
    pair.net.replica.set_chaos(Some(chaos(1)));
    let answers = run(&mut pair);
    let fired = pair.net.replica.fired_faults().to_vec();
    assert!(fired.len() > 10, "{}", fired.len());

    let fork = || Pair {
        net: calm.net.clone(),
        ..calm
    };
    let mut other = fork();
    other.net.replica.set_chaos(Some(chaos(2)));
    run(&mut other);
    assert_ne!(other.net.replica.fired_faults(), fired);

    let mut again = fork();
    for fired_fault in &fired {
        again.net.replica.inject(fired_fault.fault.clone());
    }
    assert_eq!(run(&mut again), answers);
    assert_eq!(again.net.replica.fired_faults(), fired);
    assert_eq!(again.net.replica.trace(), pair.net.replica.trace());
    // The states are equal except for the armed faults.
    let hashes = [&mut again, &mut pair].map(|pair| {
        pair.net.replica.clear_faults();
        pair.net.replica.state_hash()
    });
    assert_eq!(hashes[0], hashes[1]);
}

#[test]
fn a_canister_can_be_stopped_while_an_answer_to_it_is_delayed() {
    let mut pair = Pair::new();
    let (caller, callee) = (pair.caller, pair.callee);
    pair.net
        .replica
        .inject(Fault::on_answer(Effect::Delay { rounds: 5 }).caller(caller));
    let ask = pair.net.ingress(caller, "ask", callee.as_slice());
    pair.net.replica.submit(ask).unwrap();
    pair.net.replica.tick();
    // The stop request waits for the answer.
    pair.net
        .manage::<()>("stop_canister", record(caller))
        .unwrap();
    assert_eq!(pair.net.events(Kind::Reply).len(), 1);
}
