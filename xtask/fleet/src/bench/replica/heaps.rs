//! The times of messages on small and large heaps, side by side.

use std::iter;

use candid::Principal;
use canic_replica::client::Control;
use pocket_ic::PocketIc;
use serde::Serialize;

use super::{install, instance, median, millis};

/// Kilobytes of the heaps that are compared.
pub(super) const HEAPS: [u32; 3] = [1_000, 100_000, 500_000];

/// Kilobytes of the two heaps of the instance that is forked.
const FORKED: u32 = 500_000;

/// Messages of each kind and heap of which the median counts.
const RUNS: usize = 200;

/// Messages before them: the second one makes an image of the heap.
const FIRST: usize = 5;

/// A canister that fills its heap when it is installed. Its messages write to one page, each to
/// another one than the message before; its query only replies.
const CANISTER: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "canister_self_copy" (func $self_copy (param i32 i32 i32)))
  (import "ic0" "canister_self_size" (func $self_size (result i32)))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_perform" (func $call_perform (result i32)))
  (memory 2)
  (table funcref (elem $answered))
  (data (i32.const 64) "none")
  (global $next (mut i32) (i32.const 65536))
  (func $touch
    (i32.store (global.get $next) (global.get $next))
    (global.set $next (i32.add (i32.const 65536)
      (i32.rem_u (i32.add (global.get $next) (i32.const 7340032)) (i32.const BYTES)))))
  (func $answered (param i32) (call $touch) (call $reply))
  (func (export "canister_init")
    (drop (memory.grow (i32.const PAGES)))
    (memory.fill (i32.const 65536) (i32.const 1) (i32.const BYTES)))
  (func (export "canister_update touch") (call $touch) (call $reply))
  (func (export "canister_update ask")
    (call $self_copy (i32.const 0) (i32.const 0) (call $self_size))
    (call $call_new (i32.const 0) (call $self_size) (i32.const 64) (i32.const 4)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (drop (call $call_perform)))
  (func (export "canister_query none") (call $reply))
  HEARTBEAT)
"#;
const HEARTBEAT: &str = r#"(func (export "canister_heartbeat") (call $touch))"#;

/// The median times of one kind of message in milliseconds, in the order of [`HEAPS`].
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) ms: Vec<f64>,
}

impl Row {
    /// The time with the largest heap, as a ratio to that with the smallest one.
    pub(super) fn ratio(&self) -> f64 {
        match self.ms.as_slice() {
            [small, .., large] => large / small,
            _ => f64::NAN,
        }
    }
}

/// The forks of an instance whose two canisters have a gigabyte of heaps, in milliseconds.
#[derive(Serialize)]
pub(super) struct Forks {
    pub(super) fork_ms: f64,
    /// The first update in the fork, and the next one of its origin.
    pub(super) first_update_ms: f64,
    pub(super) next_update_ms: f64,
}

/// The times of messages.
///
/// # Errors
/// When the canister has no binary form.
pub(super) fn rows() -> Result<Vec<Row>, String> {
    let plain = heaps("")?;
    let update = row("an update that writes to one page", &plain, |heap| {
        heap.update("touch")
    });
    let query = row("a query that only replies", &plain, Heap::query);
    let callback = row(
        "a call and its callback, which writes to one page",
        &plain,
        |heap| {
            heap.update("ask");
        },
    );
    drop(plain);
    let beating = heaps(HEARTBEAT)?;
    let beat = row(
        "a round with a heartbeat, which writes to one page",
        &beating,
        |heap| {
            heap.pic.tick();
        },
    );
    Ok(vec![update, query, callback, beat])
}

/// The times of forks. `None`: the server has none.
///
/// # Errors
/// When the canister has no binary form, or a fork fails.
pub(super) fn forks() -> Result<Option<Forks>, String> {
    let pic = instance();
    let Some(control) = Control::of(&pic) else {
        return Ok(None);
    };
    let module = module(FORKED, "")?;
    install(&pic, &module);
    let origin = Heap {
        canister: install(&pic, &module),
        pic,
    };
    (0..FIRST).for_each(|_| origin.update("touch"));
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..RUNS / 10 {
        let mut fork = None;
        times[0].push(millis(|| fork = control.fork().ok()));
        let fork = fork.ok_or("an instance can't be forked")?;
        let touch = |pic: &PocketIc| call(pic, origin.canister, "touch");
        times[1].push(millis(|| touch(&fork)));
        times[2].push(millis(|| touch(&origin.pic)));
    }
    let [fork_ms, first_update_ms, next_update_ms] = times.map(median);
    Ok(Some(Forks {
        fork_ms,
        first_update_ms,
        next_update_ms,
    }))
}

/// A canister with a heap, alone in its instance.
struct Heap {
    pic: PocketIc,
    canister: Principal,
}

impl Heap {
    fn update(&self, method: &str) {
        call(&self.pic, self.canister, method);
    }

    fn query(&self) {
        let answer = (self.pic).query_call(self.canister, Principal::anonymous(), "none", vec![]);
        answer.expect("the canister replies");
    }
}

fn call(pic: &PocketIc, canister: Principal, method: &str) {
    let answer = pic.update_call(canister, Principal::anonymous(), method, Vec::new());
    answer.expect("the canister replies");
}

fn heaps(heartbeat: &str) -> Result<Vec<Heap>, String> {
    let one = |kilobytes| {
        let module = module(kilobytes, heartbeat)?;
        let pic = instance();
        let canister = install(&pic, &module);
        Ok(Heap { pic, canister })
    };
    HEAPS.into_iter().map(one).collect()
}

fn module(kilobytes: u32, heartbeat: &str) -> Result<Vec<u8>, String> {
    let bytes = kilobytes * 1_000;
    let wat = CANISTER
        .replace("PAGES", &bytes.div_ceil(65_536).to_string())
        .replace("BYTES", &bytes.to_string())
        .replace("HEARTBEAT", heartbeat);
    wat::parse_str(wat).map_err(|e| e.to_string())
}

/// The times with all heaps in turn, so that what else the machine does slows all of them down.
fn row(what: &'static str, heaps: &[Heap], message: impl Fn(&Heap)) -> Row {
    let mut times = vec![Vec::new(); heaps.len()];
    for run in 0..FIRST + RUNS {
        for (heap, times) in iter::zip(heaps, &mut times) {
            let time = millis(|| message(heap));
            if run >= FIRST {
                times.push(time);
            }
        }
    }
    Row {
        what,
        ms: times.into_iter().map(median).collect(),
    }
}
