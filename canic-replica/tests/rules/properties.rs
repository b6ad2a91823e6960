//! Property tests: random programs against models of what they do.

use std::{collections::BTreeMap, sync::OnceLock};

use candid::Principal;
use canic_replica::{Ingress, IngressStatus};
use ic_management_canister_types::CanisterInstallMode;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, TestCaseError, any, prop, prop_assert, prop_assert_eq,
    prop_oneof, proptest,
};

use crate::{
    common::{Net, T, canister, record},
    interpreter::{CALL, Model, Stage},
};

/// A step of the interpreter that is no call.
fn plain_step() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0_u8..9, any::<u8>()),
        2 => (10_u8..11, any::<u8>()),
        1 => (11_u8..12, any::<u8>()),
    ]
    .prop_map(|(action, number)| vec![action, number])
}

/// A step of a callback. It may be a call, whose callbacks do nothing.
fn callback_step() -> impl Strategy<Value = [u8; 2]> {
    prop_oneof![
        10 => (0_u8..11, any::<u8>()),
        2 => (11_u8..12, any::<u8>()),
    ]
    .prop_map(|(action, number)| [action, number])
}

fn call() -> impl Strategy<Value = Vec<u8>> {
    let callbacks = prop::collection::vec(callback_step(), 6);
    (any::<u8>(), callbacks)
        .prop_map(|(number, callbacks)| [&[CALL, number], &*callbacks.concat()].concat())
}

fn steps() -> impl Strategy<Value = Vec<u8>> {
    let step = prop_oneof![4 => plain_step(), 1 => call()];
    prop::collection::vec(step, 0..12).prop_map(|steps| steps.concat())
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn messages_commit_whole_or_not_at_all(programs in prop::collection::vec(steps(), 1..6)) {
        static FRESH: OnceLock<Stage> = OnceLock::new();
        let mut stage = FRESH.get_or_init(|| Stage::new("")).clone();
        let mut model = Model::default();
        for steps in programs {
            prop_assert_eq!(stage.run(&steps), model.run(&steps));
        }
        prop_assert_eq!(stage.visible(), model.visible());
    }
}

/// A peer that sends numbered calls to other peers, which answer them in several ways, and records
/// calls and answers.
///
/// - `go`: its argument is the callee's index, the kind of answer, the number of calls (4 bytes),
///   and the number of the first call (4 bytes). Calls that could not be sent get no number. It
///   replies with the number of calls that were sent.
/// - `sent` replies with the number of each answered call and 0 for a reply, or its reject code.
/// - `taken` replies with the numbers of the calls that this peer executed.
/// - `miscounted` replies 1 if a call failed although the queue had space, or the other way round.
const PEER: &str = r#"
    (table 4 funcref) (elem (i32.const 0) $on_reply $on_reject $resume $resume)
    (data (i32.const 0) "takeraw_rand")
    (global $answered (mut i32) (i32.const 0))
    (global $taken (mut i32) (i32.const 0))
    (global $miscounted (mut i32) (i32.const 0))
    (func (export "canister_init")
        (drop (memory.grow (i32.const 40)))
        (call $msg_arg_data_copy (i32.const 100) (i32.const 0) (call $msg_arg_data_size)))
    (func (export "canister_update go")
        (local $peer i32) (local $left i32) (local $number i32) (local $sent i32) (local $full i32)
        (drop (call $argument))
        (local.set $peer (i32.load8_u (i32.const 1000)))
        (local.set $left (i32.load (i32.const 1002)))
        (local.set $number (i32.load (i32.const 1006)))
        (block $done (loop $more
            (br_if $done (i32.eqz (local.get $left)))
            (i32.store8 (i32.const 900) (i32.load8_u (i32.const 1001)))
            (i32.store (i32.const 901) (local.get $number))
            (call $call_new
                (i32.add (i32.const 100) (i32.mul (local.get $peer) (i32.const 10))) (i32.const 10)
                (i32.const 0) (i32.const 4)
                (i32.const 0)
                (i32.or (i32.shl (local.get $peer) (i32.const 28)) (local.get $number))
                (i32.const 1)
                (i32.or (i32.shl (local.get $peer) (i32.const 28)) (local.get $number)))
            (call $call_data_append (i32.const 900) (i32.const 5))
            (local.set $full (call $call_perform))
            ;; The queue is full exactly if 500 calls to this peer are open.
            (if (i32.ne (i32.eq (local.get $full) (i32.const 2))
                    (i32.eq (i32.load (call $open (local.get $peer))) (i32.const 500)))
                (then (global.set $miscounted (i32.const 1))))
            (if (i32.eqz (local.get $full)) (then
                (call $count (local.get $peer) (i32.const 1))
                (local.set $number (i32.add (local.get $number) (i32.const 1)))
                (local.set $sent (i32.add (local.get $sent) (i32.const 1)))))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br $more)))
        (call $reply (local.get $sent)))
    (func $open (param $peer i32) (result i32)
        (i32.add (i32.const 700) (i32.mul (local.get $peer) (i32.const 4))))
    (func $count (param $peer i32) (param $more i32)
        (i32.store (call $open (local.get $peer))
            (i32.add (i32.load (call $open (local.get $peer))) (local.get $more))))
    (func $note (param $call i32) (param $code i32) (local $at i32)
        (call $count (i32.shr_u (local.get $call) (i32.const 28)) (i32.const -1))
        (local.set $at (i32.add (i32.const 100000) (i32.mul (global.get $answered) (i32.const 8))))
        (i32.store (local.get $at) (i32.and (local.get $call) (i32.const 0xfffffff)))
        (i32.store offset=4 (local.get $at) (local.get $code))
        (global.set $answered (i32.add (global.get $answered) (i32.const 1))))
    (func $on_reply (param i32) (call $note (local.get 0) (i32.const 0)))
    (func $on_reject (param i32) (call $note (local.get 0) (call $msg_reject_code)))
    (func (export "canister_update take") (local $how i32)
        (drop (call $argument))
        (local.set $how (i32.load8_u (i32.const 1000)))
        (i32.store (i32.add (i32.const 1200000) (i32.mul (global.get $taken) (i32.const 4)))
            (i32.load (i32.const 1001)))
        (global.set $taken (i32.add (global.get $taken) (i32.const 1)))
        (if (i32.eq (local.get $how) (i32.const 0)) (then (call $msg_reply)))
        (if (i32.eq (local.get $how) (i32.const 1)) (then
            (call $msg_reject (i32.const 0) (i32.const 0))))
        (if (i32.eq (local.get $how) (i32.const 2)) (then (unreachable)))
        ;; 3: no answer. 4: an answer in a later round.
        (if (i32.eq (local.get $how) (i32.const 4)) (then
            (call $call_new (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 8)
                (i32.const 2) (i32.const 0) (i32.const 3) (i32.const 0))
            ;; If the queue is full, there is no answer, either.
            (drop (call $call_perform)))))
    (func $resume (param i32) (call $msg_reply))
    (func (export "canister_query sent")
        (call $answer (i32.const 100000) (i32.mul (global.get $answered) (i32.const 8))))
    (func (export "canister_query taken")
        (call $answer (i32.const 1200000) (i32.mul (global.get $taken) (i32.const 4))))
    (func (export "canister_query miscounted") (call $reply (global.get $miscounted)))
"#;

const PEERS: usize = 3;

#[derive(Clone, Debug)]
enum Action {
    Send {
        from: usize,
        to: usize,
        how: u8,
        count: u32,
    },
    Tick,
    Stop(usize),
    Start(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let count = prop_oneof![6 => 1_u32..6, 1 => 480_u32..520];
    prop_oneof![
        5 => (0..PEERS, 0..PEERS, 0_u8..5, count)
            .prop_map(|(from, to, how, count)| Action::Send { from, to, how, count }),
        3 => Just(Action::Tick),
        1 => (0..PEERS).prop_map(Action::Stop),
        1 => (0..PEERS).prop_map(Action::Start),
    ]
}

/// Peers that know each other's ids, on a fresh instance.
fn peers() -> (Net, Vec<Principal>) {
    static FRESH: OnceLock<(Net, Vec<Principal>)> = OnceLock::new();
    FRESH.get_or_init(install_peers).clone()
}

fn install_peers() -> (Net, Vec<Principal>) {
    let mut net = Net::new();
    let ids: Vec<_> = (0..PEERS).map(|_| net.create(1_000 * T)).collect();
    let all: Vec<u8> = ids.iter().flat_map(|id| id.as_slice().to_vec()).collect();
    for id in &ids {
        let mode = CanisterInstallMode::Install;
        net.install_as(mode, *id, canister(PEER), &all).unwrap();
    }
    (net, ids)
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.as_chunks::<4>().0;
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// A requested call: the caller, the callee, and the kind of answer.
type Call = (usize, usize, u8);

/// The result of executing actions.
struct Run {
    /// The requested calls, by number.
    calls: Vec<Call>,
    /// The messages that let peers send calls, the number of the first call of each, and the number
    /// of calls to send.
    messages: Vec<([u8; 32], u32, u32)>,
    /// Whether a peer was stopped.
    stopped: bool,
}

/// Executes the actions, and then rounds until nothing is left to do.
fn run(net: &mut Net, ids: &[Principal], actions: &[Action]) -> Run {
    let mut calls: Vec<Call> = Vec::new();
    let mut messages = Vec::new();
    let mut stopped = false;
    for action in actions.iter().cloned() {
        let management = |method: &str, id| Ingress {
            effective: None,
            ..net.ingress(
                Principal::management_canister(),
                method,
                &candid::encode_args(record(id)).unwrap(),
            )
        };
        match action {
            Action::Send {
                from,
                to,
                how,
                count,
            } => {
                let first = calls.len() as u32;
                let argument = [
                    &[to as u8, how],
                    &count.to_le_bytes()[..],
                    &first.to_le_bytes(),
                ]
                .concat();
                let send = net.ingress(ids[from], "go", &argument);
                // A peer takes no messages while it is stopping or stopped.
                if let Ok(message) = net.replica.submit(send) {
                    messages.push((message, first, count));
                    calls.extend(vec![(from, to, how); count as usize]);
                }
            }
            Action::Tick => net.replica.tick(),
            Action::Stop(peer) => {
                stopped = true;
                net.replica
                    .submit(management("stop_canister", ids[peer]))
                    .unwrap();
            }
            Action::Start(peer) => {
                net.replica
                    .submit(management("start_canister", ids[peer]))
                    .unwrap();
            }
        }
        net.check_accounts();
    }
    for _ in 0..60 {
        net.replica.tick();
    }
    Run {
        calls,
        messages,
        stopped,
    }
}

/// The calls that were really sent, by number.
fn sent_calls(net: &Net, run: Run) -> Result<BTreeMap<u32, Call>, TestCaseError> {
    let Run {
        calls,
        messages,
        stopped,
    } = run;
    let mut sent = BTreeMap::new();
    for (message, first, count) in messages {
        match net.replica.ingress_status(&message) {
            IngressStatus::Done(Ok(reply)) => {
                let performed = numbers(&reply)[0];
                prop_assert!(performed <= count);
                let numbers = first..first + performed;
                sent.extend(numbers.map(|number| (number, calls[number as usize])));
            }
            IngressStatus::Done(Err(reject)) => {
                let code = reject.error_code.as_str();
                let is_stopped = stopped && ["IC0508", "IC0509"].contains(&code);
                prop_assert!(is_stopped, "{:?}", reject);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
    Ok(sent)
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn equal_histories_end_in_equal_states(actions in prop::collection::vec(action(), 1..30)) {
        let [(mut one, ids), (mut two, _)] = [peers(), peers()];
        run(&mut one, &ids, &actions);
        run(&mut two, &ids, &actions);
        prop_assert_eq!(one.replica.trace(), two.replica.trace());
        prop_assert_eq!(one.replica.state_hash(), two.replica.state_hash());
    }

    #[test]
    fn every_call_is_executed_in_order_and_answered_once(
        actions in prop::collection::vec(action(), 1..30)
    ) {
        let (mut net, ids) = peers();
        let run = run(&mut net, &ids, &actions);
        let stopped = run.stopped;
        let sent = sent_calls(&net, run)?;
        for id in &ids {
            net.manage::<()>("start_canister", record(*id)).unwrap();
            prop_assert_eq!(net.number(*id, "miscounted"), 0);
        }
        let taken: Vec<_> = ids
            .iter()
            .map(|id| numbers(&net.query(*id, "taken", &[]).unwrap()))
            .collect();
        let mut answered = 0;
        for (peer, id) in ids.iter().enumerate() {
            let mut codes = BTreeMap::new();
            for answer in numbers(&net.query(*id, "sent", &[]).unwrap()).chunks(2) {
                let call = sent.get(&answer[0]);
                prop_assert_eq!(call.map(|call| call.0), Some(peer), "an answer without a call");
                prop_assert_eq!(codes.insert(answer[0], answer[1]), None, "two answers");
            }
            answered += codes.len();
            for (number, code) in codes {
                let (_, to, how) = sent[&number];
                let executed = taken[to].contains(&number);
                let expected: &[(u32, bool)] = match how {
                    0 => &[(0, true)],
                    1 => &[(4, true)],
                    2 => &[(5, false)],
                    3 => &[(5, true)],
                    // The queue of the callee's own call may be full.
                    _ => &[(0, true), (5, true)],
                };
                let refused = stopped && (code, executed) == (5, false);
                prop_assert!(
                    refused || expected.contains(&(code, executed)),
                    "{number} {code} {executed} {how}"
                );
            }
        }
        prop_assert_eq!(answered, sent.len(), "calls without an answer");
        for (peer, taken) in taken.iter().enumerate() {
            for other in 0..PEERS {
                let from_other: Vec<_> = taken
                    .iter()
                    .filter(|number| sent[number].0 == other)
                    .collect();
                prop_assert!(
                    from_other.is_sorted_by(|a, b| a < b),
                    "from {other} to {peer}: {from_other:?}"
                );
            }
        }
        net.check_accounts();
    }
}
