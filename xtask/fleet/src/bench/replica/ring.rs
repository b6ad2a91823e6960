//! Messages a second: canisters that call each other in a ring.

use std::time::Instant;

use candid::Principal;
use canic_replica::client::Control;
use pocket_ic::PocketIc;
use serde::Serialize;

use super::{install, instance, median, millis};

const CANISTERS: usize = 1_000;
/// Calls that follow from each of the first ones.
const HOPS: u32 = 50;

/// A canister whose argument is the id of the next one. It calls that one, with a count that is one
/// less.
const CANISTER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_arg_data_copy" (func $arg (param i32 i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_data_append" (func $append (param i32 i32)))
  (import "ic0" "call_perform" (func $call_perform (result i32)))
  (memory 1)
  (table funcref (elem $answered))
  (data (i32.const 64) "pass")
  (func $answered (param i32))
  (func (export "canister_update join")
    (i32.store (i32.const 8) (call $arg_size))
    (call $arg (i32.const 12) (i32.const 0) (call $arg_size))
    (call $reply))
  (func (export "canister_update pass")
    (call $arg (i32.const 0) (i32.const 0) (i32.const 4))
    (if (i32.load (i32.const 0)) (then
      (i32.store (i32.const 0) (i32.sub (i32.load (i32.const 0)) (i32.const 1)))
      (call $call_new (i32.const 12) (i32.load (i32.const 8)) (i32.const 64) (i32.const 4)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
      (call $append (i32.const 0) (i32.const 4))
      (drop (call $call_perform))))
    (call $reply)))
"#;

/// How fast an instance is.
#[derive(Serialize)]
pub(super) struct Ring {
    pub(super) messages: u64,
    pub(super) rounds: u64,
    pub(super) messages_a_second: f64,
    /// A round in which none of the canisters has anything to do, in milliseconds.
    pub(super) idle_round_ms: f64,
    /// A round of an instance without canisters.
    pub(super) empty_round_ms: f64,
}

/// Measures. `None`: the server does not count messages.
///
/// # Errors
/// When the canister has no binary form, or the server does not answer.
pub(super) fn measure() -> Result<Option<Ring>, String> {
    let pic = instance();
    let Some(control) = Control::of(&pic) else {
        return Ok(None);
    };
    let module = wat::parse_str(CANISTER).map_err(|e| e.to_string())?;
    let ids: Vec<_> = (0..CANISTERS).map(|_| install(&pic, &module)).collect();
    for (index, id) in ids.iter().enumerate() {
        let next = ids[(index + 1) % CANISTERS];
        call(&pic, *id, "join", next.as_slice());
    }
    let idle_round_ms = rounds(&pic);
    let empty_round_ms = rounds(&instance());
    for id in &ids {
        let payload = HOPS.to_le_bytes().to_vec();
        let submitted = pic.submit_call(*id, Principal::anonymous(), "pass", payload);
        submitted.map_err(|reject| reject.to_string())?;
    }
    let from = control.next_event()?;
    let (mut messages, mut rounds) = (0, 0);
    let started = Instant::now();
    loop {
        pic.tick();
        let now = control.next_event()? - from;
        if now == messages {
            break;
        }
        (messages, rounds) = (now, rounds + 1);
    }
    Ok(Some(Ring {
        messages,
        rounds,
        messages_a_second: messages as f64 / started.elapsed().as_secs_f64(),
        idle_round_ms,
        empty_round_ms,
    }))
}

fn rounds(pic: &PocketIc) -> f64 {
    median((0..200).map(|_| millis(|| pic.tick())).collect())
}

fn call(pic: &PocketIc, canister: Principal, method: &str, payload: &[u8]) {
    let answer = pic.update_call(canister, Principal::anonymous(), method, payload.to_vec());
    answer.expect("the canister replies");
}
