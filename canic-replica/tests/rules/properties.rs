//! Random programs against models.

use std::{collections::BTreeMap, sync::OnceLock};

use candid::Principal;
use canic_replica::{Ingress, IngressStatus};
use ic_management_canister_types::CanisterInstallMode;
use proptest::prelude::*;

use crate::{
    common::{Net, T, canister, record},
    interpreter::{CALL, Model, Stage},
};

/// One step of the interpreter that does not call.
fn plain() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0_u8..9, any::<u8>()),
        2 => (10_u8..11, any::<u8>()),
        1 => (11_u8..12, any::<u8>()),
    ]
    .prop_map(|(what, number)| vec![what, number])
}

/// One step of a callback, which may call, but without callbacks.
fn within_callback() -> impl Strategy<Value = [u8; 2]> {
    prop_oneof![
        10 => (0_u8..11, any::<u8>()),
        2 => (11_u8..12, any::<u8>()),
    ]
    .prop_map(|(what, number)| [what, number])
}

fn call() -> impl Strategy<Value = Vec<u8>> {
    let callbacks = prop::collection::vec(within_callback(), 6);
    (any::<u8>(), callbacks)
        .prop_map(|(number, callbacks)| [&[CALL, number], &*callbacks.concat()].concat())
}

fn steps() -> impl Strategy<Value = Vec<u8>> {
    let step = prop_oneof![4 => plain(), 1 => call()];
    prop::collection::vec(step, 0..12).prop_map(|steps| steps.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_commit_whole_or_not_at_all(programs in prop::collection::vec(steps(), 1..6)) {
        static FRESH: OnceLock<Stage> = OnceLock::new();
        let mut stage = FRESH.get_or_init(|| Stage::new("")).clone();
        let mut model = Model::default();
        for steps in programs {
            prop_assert_eq!(stage.run(&steps), model.run(&steps));
        }
        prop_assert_eq!(stage.look(), model.look());
    }
}

/// Sends numbered calls to its peers, which answer them in several ways, and keeps books.
///
/// `go`: whom to call (by number), how the call is to be answered, how many calls (4 bytes), the number of the first
/// one (4 bytes). Calls that could not be sent get no number. Answers how many were sent.
/// `sent` answers the number of each call and 0 for a reply, or its reject code; `taken` the numbers that it executed.
const PEER: &str = r#"
    (table 4 funcref) (elem (i32.const 0) $on_reply $on_reject $resume $resume)
    (data (i32.const 0) "takeraw_rand")
    (global $answered (mut i32) (i32.const 0))
    (global $taken (mut i32) (i32.const 0))
    (global $cheated (mut i32) (i32.const 0))
    (func (export "canister_init")
        (drop (memory.grow (i32.const 40)))
        (call $msg_arg_data_copy (i32.const 100) (i32.const 0) (call $msg_arg_data_size)))
    (func (export "canister_update go") (local $peer i32) (local $left i32) (local $number i32) (local $sent i32) (local $full i32)
        (drop (call $argument))
        (local.set $peer (i32.load8_u (i32.const 1000)))
        (local.set $left (i32.load (i32.const 1002)))
        (local.set $number (i32.load (i32.const 1006)))
        (block $done (loop $more
            (br_if $done (i32.eqz (local.get $left)))
            (i32.store8 (i32.const 900) (i32.load8_u (i32.const 1001)))
            (i32.store (i32.const 901) (local.get $number))
            (call $call_new (i32.add (i32.const 100) (i32.mul (local.get $peer) (i32.const 10))) (i32.const 10)
                (i32.const 0) (i32.const 4)
                (i32.const 0) (i32.or (i32.shl (local.get $peer) (i32.const 28)) (local.get $number))
                (i32.const 1) (i32.or (i32.shl (local.get $peer) (i32.const 28)) (local.get $number)))
            (call $call_data_append (i32.const 900) (i32.const 5))
            (local.set $full (call $call_perform))
            ;; The queue is full exactly if 500 calls to this peer are open.
            (if (i32.ne (i32.eq (local.get $full) (i32.const 2)) (i32.eq (i32.load (call $open (local.get $peer))) (i32.const 500)))
                (then (global.set $cheated (i32.const 1))))
            (if (i32.eqz (local.get $full)) (then
                (call $count (local.get $peer) (i32.const 1))
                (local.set $number (i32.add (local.get $number) (i32.const 1)))
                (local.set $sent (i32.add (local.get $sent) (i32.const 1)))))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br $more)))
        (call $reply (local.get $sent)))
    (func $open (param $peer i32) (result i32) (i32.add (i32.const 700) (i32.mul (local.get $peer) (i32.const 4))))
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
        (i32.store (i32.add (i32.const 1200000) (i32.mul (global.get $taken) (i32.const 4))) (i32.load (i32.const 1001)))
        (global.set $taken (i32.add (global.get $taken) (i32.const 1)))
        (if (i32.eq (local.get $how) (i32.const 0)) (then (call $msg_reply)))
        (if (i32.eq (local.get $how) (i32.const 1)) (then (call $msg_reject (i32.const 0) (i32.const 0))))
        (if (i32.eq (local.get $how) (i32.const 2)) (then (unreachable)))
        ;; 3: no answer. 4: an answer in a later round.
        (if (i32.eq (local.get $how) (i32.const 4)) (then
            (call $call_new (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 8)
                (i32.const 2) (i32.const 0) (i32.const 3) (i32.const 0))
            ;; If there is no room for it, there is no answer, either.
            (drop (call $call_perform)))))
    (func $resume (param i32) (call $msg_reply))
    (func (export "canister_query sent") (call $answer (i32.const 100000) (i32.mul (global.get $answered) (i32.const 8))))
    (func (export "canister_query taken") (call $answer (i32.const 1200000) (i32.mul (global.get $taken) (i32.const 4))))
    (func (export "canister_query cheated") (call $reply (global.get $cheated)))
"#;

const PEERS: usize = 3;

#[derive(Clone, Debug)]
enum Act {
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

fn act() -> impl Strategy<Value = Act> {
    let count = prop_oneof![6 => 1_u32..6, 1 => 480_u32..520];
    prop_oneof![
        5 => (0..PEERS, 0..PEERS, 0_u8..5, count)
            .prop_map(|(from, to, how, count)| Act::Send { from, to, how, count }),
        3 => Just(Act::Tick),
        1 => (0..PEERS).prop_map(Act::Stop),
        1 => (0..PEERS).prop_map(Act::Start),
    ]
}

/// Peers that know each other, on an instance of their own.
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

/// A call that was asked for: by whom, of whom, how it is to be answered.
type Asked = (usize, usize, u8);

/// What became of a story.
struct Told {
    asked: Vec<Asked>,
    /// The messages that told peers to send, the number of the first call of each, and how many it was to send.
    orders: Vec<([u8; 32], u32, u32)>,
    /// Whether anybody was stopped.
    stopped: bool,
}

/// Lets peers do what a story says, and waits until nothing is left to do.
fn tell(net: &mut Net, ids: &[Principal], acts: &[Act]) -> Told {
    let mut asked: Vec<Asked> = Vec::new();
    let mut orders = Vec::new();
    let mut stopped = false;
    for act in acts.iter().cloned() {
        let management = |method: &str, id| Ingress {
            effective: None,
            ..net.ingress(
                Principal::management_canister(),
                method,
                &candid::encode_args(record(id)).unwrap(),
            )
        };
        match act {
            Act::Send {
                from,
                to,
                how,
                count,
            } => {
                let first = asked.len() as u32;
                let argument = [
                    &[to as u8, how],
                    &count.to_le_bytes()[..],
                    &first.to_le_bytes(),
                ]
                .concat();
                let order = net.ingress(ids[from], "go", &argument);
                // Nobody takes messages while he stops.
                if let Ok(message) = net.replica.submit(order) {
                    orders.push((message, first, count));
                    asked.extend(vec![(from, to, how); count as usize]);
                }
            }
            Act::Tick => net.replica.tick(),
            Act::Stop(peer) => {
                stopped = true;
                net.replica
                    .submit(management("stop_canister", ids[peer]))
                    .unwrap();
            }
            Act::Start(peer) => {
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
    Told {
        asked,
        orders,
        stopped,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_story_ends_in_the_same_state(acts in prop::collection::vec(act(), 1..30)) {
        let [(mut one, ids), (mut two, _)] = [peers(), peers()];
        tell(&mut one, &ids, &acts);
        tell(&mut two, &ids, &acts);
        prop_assert_eq!(one.replica.trace(), two.replica.trace());
        prop_assert_eq!(one.replica.state_hash(), two.replica.state_hash());
    }

    #[test]
    fn every_call_is_executed_in_order_and_answered_once(acts in prop::collection::vec(act(), 1..30)) {
        let (mut net, ids) = peers();
        let Told { asked, orders, stopped } = tell(&mut net, &ids, &acts);
        // What was really sent.
        let mut sent: BTreeMap<u32, Asked> = BTreeMap::new();
        for (message, first, count) in orders {
            match net.replica.ingress_status(&message) {
                IngressStatus::Done(Ok(reply)) => {
                    let performed = numbers(&reply)[0];
                    prop_assert!(performed <= count);
                    sent.extend((first..first + performed).map(|number| (number, asked[number as usize])));
                }
                IngressStatus::Done(Err(reject)) => {
                    prop_assert!(stopped && ["IC0508", "IC0509"].contains(&reject.error_code.as_str()), "{:?}", reject);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
        for id in &ids {
            net.manage::<()>("start_canister", record(*id)).unwrap();
            prop_assert_eq!(net.number(*id, "cheated"), 0);
        }
        let taken: Vec<_> = ids.iter().map(|id| numbers(&net.query(*id, "taken", &[]).unwrap())).collect();
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
                    // There may be no room for its own call.
                    _ => &[(0, true), (5, true)],
                };
                let refused = stopped && (code, executed) == (5, false);
                prop_assert!(refused || expected.contains(&(code, executed)), "{number} {code} {executed} {how}");
            }
        }
        prop_assert_eq!(answered, sent.len(), "calls without an answer");
        for (peer, taken) in taken.iter().enumerate() {
            for other in 0..PEERS {
                let from_other: Vec<_> = taken.iter().filter(|number| sent[number].0 == other).collect();
                prop_assert!(from_other.is_sorted_by(|a, b| a < b), "from {other} to {peer}: {from_other:?}");
            }
        }
        net.check_accounts();
    }
}
