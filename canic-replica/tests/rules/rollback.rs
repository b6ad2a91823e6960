//! A message commits whole or not at all.

use crate::common::Net;
use canic_replica::{Kind, Outcome};

/// Three places where state lives, each readable by a query, and a method that changes all of them and traps.
const EVERYWHERE: &str = r#"
    (global $g (mut i32) (i32.const 1))
    (data (i32.const 0) "\01\00\00\00")
    (func $change
        (global.set $g (i32.const 7))
        (i32.store (i32.const 0) (i32.const 7))
        (i32.store (i32.const 40000) (i32.const 7))
        (drop (call $stable64_grow (i64.const 1)))
        (call $stable64_write (i64.const 0) (i64.const 0) (i64.const 4))
        (call $certified_data_set (i32.const 0) (i32.const 4))
        (drop (call $global_timer_set (i64.const 1))))
    (func (export "canister_update change") (call $change) (call $reply (i32.const 0)))
    (func (export "canister_update change_and_trap") (call $change) (unreachable))
    (func (export "canister_query global") (call $reply (global.get $g)))
    (func (export "canister_query heap") (call $reply (i32.load (i32.const 0))))
    (func (export "canister_query far") (call $reply (i32.load (i32.const 40000))))
    (func (export "canister_query stable") (call $reply (i32.wrap_i64 (call $stable64_size))))
"#;

#[test]
fn a_trap_rolls_back_heap_globals_and_stable_memory() {
    let mut net = Net::new();
    let id = net.install(EVERYWHERE);
    let reject = net.update(id, "change_and_trap", &[]).unwrap_err();
    assert_eq!(reject.error_code, "IC0502");
    assert_eq!(
        reject.message,
        format!("Error from Canister {id}: Canister trapped: unreachable.")
    );
    let state = ["global", "heap", "far", "stable"].map(|name| net.number(id, name));
    assert_eq!(state, [1, 1, 0, 0]);
    // The timer that the trapped message had set does not fire.
    net.replica.tick();
    assert_eq!(net.outcomes(Kind::Timer), []);
}

#[test]
fn what_a_message_changes_is_kept() {
    let mut net = Net::new();
    let id = net.install(EVERYWHERE);
    net.update(id, "change", &[]).unwrap();
    let state = ["global", "heap", "far", "stable"].map(|name| net.number(id, name));
    assert_eq!(state, [7, 7, 7, 1]);
    assert_eq!(net.outcomes(Kind::Ingress), [Outcome::Reply]);
}
