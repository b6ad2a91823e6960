//! Determinism: equal inputs give equal results, and a fork and its original are independent.

use candid::Principal;
use canic_replica::Replica;
use ic_management_canister_types as types;

use crate::common::{Net, T, record};

/// A canister that mixes the time into a pseudo-random number, writes that to all its memories, and
/// calls the next canister.
const MIXER: &str = r#"
    (table 2 funcref)
    (elem (i32.const 1) $back)
    (data (i32.const 0) "mix")
    (global $g (mut i64) (i64.const 1))
    (func $mix
        (global.set $g
            (i64.mul (i64.add (global.get $g) (call $time)) (i64.const 6364136223846793005)))
        (i64.store (i32.and (i32.wrap_i64 (global.get $g)) (i32.const 0xffe0)) (global.get $g))
        (drop (call $stable64_grow (i64.const 1)))
        (i64.store (i32.const 900) (global.get $g))
        (call $stable64_write (i64.and (global.get $g) (i64.const 0x7fff))
            (i64.const 900) (i64.const 8)))
    (func $back (param i32) (call $mix) (call $reply (i32.const 0)))
    (func (export "canister_update pass")
        (drop (call $argument)) (call $mix)
        (call $msg_arg_data_copy (i32.const 1000) (i32.const 0) (i32.const 10))
        (i32.store8 (i32.const 0) (i32.const 109)) (i32.store8 (i32.const 1) (i32.const 105))
        (i32.store8 (i32.const 2) (i32.const 120))
        (call $new_call (i32.const 0) (i32.const 3) (i32.const 1) (i32.const 1))
        (call $call_cycles_add128 (i64.const 0) (i64.const 1000000))
        (drop (call $call_perform)))
    (func (export "canister_update mix") (call $mix)
        (call $msg_cycles_accept128 (i64.const 0) (i64.const 300000) (i32.const 100))
        (call $reply (i32.const 0)))
"#;

fn run_history(net: &mut Net) -> (Principal, Principal) {
    let (a, b) = (net.install(MIXER), net.install(MIXER));
    for round in 0..5 {
        net.update(a, "pass", b.as_slice()).unwrap();
        net.update(b, "pass", a.as_slice()).unwrap();
        let later = net.replica.time() + round * 11_000_000_000;
        net.replica.set_time(later).unwrap();
        net.replica.tick();
    }
    net.manage::<()>("stop_canister", record(b)).unwrap();
    (a, b)
}

#[test]
fn equal_histories_give_equal_states_bit_for_bit() {
    let (mut one, mut two) = (Net::new(), Net::new());
    run_history(&mut one);
    run_history(&mut two);
    assert_eq!(one.replica.trace(), two.replica.trace());
    assert_eq!(one.replica.accounts(), two.replica.accounts());
    assert_eq!(one.replica.state_hash(), two.replica.state_hash());
    // The hash covers the time: a round adds a nanosecond.
    two.replica.tick();
    assert_ne!(one.replica.state_hash(), two.replica.state_hash());
}

#[test]
fn a_fork_and_its_original_do_not_affect_each_other() {
    let mut net = Net::new();
    let (a, b) = run_history(&mut net);
    let hash = net.replica.state_hash();
    let mut fork = net.clone();
    assert_eq!(fork.replica.state_hash(), hash);
    fork.manage::<()>("start_canister", record(b)).unwrap();
    fork.update(a, "pass", b.as_slice()).unwrap();
    fork.replica.add_cycles(a, T).unwrap();
    assert_ne!(fork.replica.state_hash(), hash);
    assert_eq!(net.replica.state_hash(), hash);
    // The original and a fork end in the same state if they execute the same calls.
    let mut other = net.clone();
    other.update(a, "mix", &[]).unwrap();
    net.update(a, "mix", &[]).unwrap();
    assert_eq!(net.replica.state_hash(), other.replica.state_hash());
}

#[test]
fn an_instance_that_is_read_goes_on_where_it_was_written() {
    let mut net = Net::new();
    let (a, b) = run_history(&mut net);
    // A snapshot that was loaded, whose module no canister has; and a message that waits.
    let other = net.install(r#"(data (i32.const 0) "other")"#);
    let (snapshot,) = net
        .manage::<(types::Snapshot,)>("take_canister_snapshot", record(other))
        .unwrap();
    let load = types::LoadCanisterSnapshotArgs {
        canister_id: other,
        snapshot_id: snapshot.id,
        sender_canister_version: None,
    };
    net.manage::<()>("load_canister_snapshot", (load,)).unwrap();
    net.manage::<()>("uninstall_code", record(other)).unwrap();
    net.manage::<()>("start_canister", record(b)).unwrap();
    let ingress = net.ingress(a, "pass", b.as_slice());
    let waiting = net.replica.submit(ingress).unwrap();
    let mut read = net.clone();
    read.restart();
    assert!(read.replica.trace().is_empty());
    for net in [&mut net, &mut read] {
        net.replica.await_ingress(&waiting).unwrap().unwrap();
        net.update(b, "pass", a.as_slice()).unwrap();
    }
    assert_eq!(net.replica.state_hash(), read.replica.state_hash());
    assert_eq!(net.replica.root_key(), read.replica.root_key());
    let last = |net: &Net| net.replica.trace().last().cloned();
    assert_eq!(last(&net), last(&read));
}

#[test]
fn bytes_that_are_no_state_are_refused() {
    let mut net = Net::new();
    run_history(&mut net);
    let state = net.replica.to_bytes().unwrap();
    for end in (0..state.len()).step_by(state.len() / 100) {
        assert!(Replica::from_bytes(&state[..end]).is_err(), "{end}");
    }
    assert!(Replica::from_bytes(&[0xff; 100]).is_err());
}
