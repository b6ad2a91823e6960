//! An interpreter: a canister that executes the steps in its argument, in any kind of message; and
//! a model of it.
//!
//! A step is two bytes: the action and its number. After [`CALL`] come the steps of its callbacks
//! on reply, reject and cleanup, two for each. Calls of these steps have no callbacks of their own.
#![allow(unreachable_pub)]

use std::collections::VecDeque;

use candid::Principal;
use ic_management_canister_types::CanisterInstallMode::Install;

use crate::{
    certification,
    common::{Net, T, canister},
};

pub const NOOP: u8 = 0;
/// Writes the number to the heap.
pub const HEAP: u8 = 1;
/// Writes the number to one of six globals: one of each type, and an exported one.
pub const GLOBAL: u8 = 2;
pub const GROW_HEAP: u8 = 3;
pub const GROW_STABLE: u8 = 4;
/// Writes the number to stable memory; traps if there is none yet.
pub const STABLE: u8 = 5;
pub const CERTIFY: u8 = 6;
/// Arms the timer for some day after 2200.
pub const TIMER: u8 = 7;
/// Accepts the number as thousands of cycles.
pub const ACCEPT: u8 = 8;
/// Calls the sink with the number. The sink records an even number and replies; on an odd one it
/// traps.
pub const CALL: u8 = 9;
/// Traps if the call was answered already.
pub const REPLY: u8 = 10;
pub const TRAP: u8 = 11;

/// Steps that change all state that any kind of message can change.
pub const STATE: [u8; 22] = [
    HEAP,
    3,
    HEAP,
    70,
    GLOBAL,
    6,
    GLOBAL,
    7,
    GLOBAL,
    14,
    GLOBAL,
    21,
    GLOBAL,
    28,
    GLOBAL,
    35,
    GROW_HEAP,
    0,
    GROW_STABLE,
    0,
    STABLE,
    9,
];

const SLOTS: usize = 64;
const GLOBALS: [&str; 6] = ["i32", "i64", "f32", "f64", "v128", "shown"];

/// The interpreter's program, with more exports. These may run the steps that were passed to
/// `store` (`$stored`), or those of the argument (`$given`).
fn program(sink: Principal, exports: &str) -> String {
    let sink: String = sink
        .as_slice()
        .iter()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    format!(
        r#"
    (table 2 funcref) (elem (i32.const 1) $answered)
    (data (i32.const 0) "take") (data (i32.const 500) "{sink}")
    (global $i32 (mut i32) (i32.const 0)) (global $i64 (mut i64) (i64.const 0))
    (global $f32 (mut f32) (f32.const 0)) (global $f64 (mut f64) (f64.const 0))
    (global $v128 (mut v128) (v128.const i64x2 0 0))
    (global $shown (export "shown") (mut i32) (i32.const 0))
    (func $slot (param i32) (result i32)
        (i32.mul (i32.and (local.get 0) (i32.const 63)) (i32.const 512)))
    (func $call (param $number i32) (param $reply i32) (param $reject i32) (param $cleanup i32)
        (i32.store8 (i32.const 890) (local.get $number))
        (call $call_new (i32.const 500) (i32.const 10) (i32.const 0) (i32.const 4)
            (i32.const 1) (local.get $reply) (i32.const 1) (local.get $reject))
        (call $call_on_cleanup (i32.const 1) (local.get $cleanup))
        (call $call_data_append (i32.const 890) (i32.const 1))
        (call $call_cycles_add128 (i64.const 0) (i64.const 777))
        (if (call $call_perform) (then (unreachable))))
    (func $set (param $global i32) (param $number i32)
        (if (i32.eq (local.get $global) (i32.const 0)) (then
            (global.set $i32 (local.get $number))))
        (if (i32.eq (local.get $global) (i32.const 1)) (then
            (global.set $i64 (i64.extend_i32_u (local.get $number)))))
        (if (i32.eq (local.get $global) (i32.const 2)) (then
            (global.set $f32 (f32.convert_i32_u (local.get $number)))))
        (if (i32.eq (local.get $global) (i32.const 3)) (then
            (global.set $f64 (f64.convert_i32_u (local.get $number)))))
        (if (i32.eq (local.get $global) (i32.const 4)) (then
            (global.set $v128 (i32x4.splat (local.get $number)))))
        (if (i32.eq (local.get $global) (i32.const 5)) (then
            (global.set $shown (local.get $number)))))
    {}
    {METHODS}
    {exports}
    "#,
        steps()
    )
}

/// The functions that execute steps.
fn steps() -> String {
    format!(
        r#"
    (func $step (param $action i32) (param $number i32)
        (i32.store8 (i32.const 890) (local.get $number))
        (if (i32.eq (local.get $action) (i32.const {HEAP})) (then
            (i32.store8 (i32.add (i32.const 20000) (call $slot (local.get $number)))
                (local.get $number))))
        (if (i32.eq (local.get $action) (i32.const {GLOBAL})) (then
            (call $set (i32.rem_u (local.get $number) (i32.const 6)) (local.get $number))))
        (if (i32.eq (local.get $action) (i32.const {GROW_HEAP})) (then
            (drop (memory.grow (i32.const 1)))))
        (if (i32.eq (local.get $action) (i32.const {GROW_STABLE})) (then
            (drop (call $stable64_grow (i64.const 1)))))
        (if (i32.eq (local.get $action) (i32.const {STABLE})) (then
            (call $stable64_write (i64.extend_i32_u (call $slot (local.get $number)))
                (i64.const 890) (i64.const 1))))
        (if (i32.eq (local.get $action) (i32.const {CERTIFY})) (then
            (call $certified_data_set (i32.const 890) (i32.const 1))))
        (if (i32.eq (local.get $action) (i32.const {TIMER})) (then
            (drop (call $global_timer_set (i64.add (i64.const 8000000000000000000)
                (i64.extend_i32_u (local.get $number)))))))
        (if (i32.eq (local.get $action) (i32.const {ACCEPT})) (then
            (call $msg_cycles_accept128 (i64.const 0)
                (i64.mul (i64.const 1000) (i64.extend_i32_u (local.get $number)))
                (i32.const 880))))
        (if (i32.eq (local.get $action) (i32.const {CALL})) (then
            (call $call (local.get $number) (i32.const 0) (i32.const 0) (i32.const 0))))
        (if (i32.eq (local.get $action) (i32.const {REPLY})) (then (call $msg_reply)))
        (if (i32.eq (local.get $action) (i32.const {TRAP})) (then (unreachable))))
    (func $run (param $at i32) (param $size i32) (local $end i32)
        (local.set $end (i32.add (local.get $at) (local.get $size)))
        (block $done (loop $more
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (if (i32.eq (i32.load8_u (local.get $at)) (i32.const {CALL})) (then
                (call $call (i32.load8_u offset=1 (local.get $at))
                    (i32.load offset=2 align=1 (local.get $at))
                    (i32.load offset=6 align=1 (local.get $at))
                    (i32.load offset=10 align=1 (local.get $at)))
                (local.set $at (i32.add (local.get $at) (i32.const 12)))
            ) (else
                (call $step (i32.load8_u (local.get $at)) (i32.load8_u offset=1 (local.get $at)))))
            (local.set $at (i32.add (local.get $at) (i32.const 2)))
            (br $more))))
    (func $answered (param $steps i32)
        (call $step (i32.and (local.get 0) (i32.const 255))
            (i32.and (i32.shr_u (local.get 0) (i32.const 8)) (i32.const 255)))
        (call $step (i32.and (i32.shr_u (local.get 0) (i32.const 16)) (i32.const 255))
            (i32.shr_u (local.get 0) (i32.const 24))))
    (func $stored (call $run (i32.const 10000) (i32.load (i32.const 9996))))
    (func $given (call $run (i32.const 1000) (call $argument)))
    "#
    )
}

/// The interpreter's own exports.
const METHODS: &str = r#"
    (func (export "canister_update run") (call $given))
    (func (export "canister_query run_query") (call $given))
    (func (export "canister_update store")
        (i32.store (i32.const 9996) (call $argument))
        (memory.copy (i32.const 10000) (i32.const 1000) (i32.load (i32.const 9996)))
        (call $msg_reply))
    (func (export "canister_update store_for_timer")
        (i32.store (i32.const 9996) (call $argument))
        (memory.copy (i32.const 10000) (i32.const 1000) (i32.load (i32.const 9996)))
        (drop (call $global_timer_set (i64.const 1)))
        (call $msg_reply))
    (func (export "canister_update look") (local $slot i32) (local $timer i64)
        (i32.store (i32.const 800) (global.get $i32)) (i64.store (i32.const 804) (global.get $i64))
        (f32.store (i32.const 812) (global.get $f32)) (f64.store (i32.const 816) (global.get $f64))
        (v128.store (i32.const 824) (global.get $v128))
        (i32.store (i32.const 840) (global.get $shown))
        (local.set $timer (call $global_timer_set (i64.const 0)))
        (drop (call $global_timer_set (local.get $timer)))
        (i64.store (i32.const 844) (local.get $timer))
        (i32.store (i32.const 852) (memory.size))
        (call $msg_reply_data_append (i32.const 800) (i32.const 56))
        (loop $more
            (call $msg_reply_data_append (i32.add (i32.const 20000) (call $slot (local.get $slot)))
                (i32.const 1))
            (local.set $slot (i32.add (local.get $slot) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $slot) (i32.const 64))))
        (call $msg_reply))
    (func (export "canister_query certificate") (local $size i32)
        (local.set $size (call $data_certificate_size))
        (call $data_certificate_copy (i32.const 2000) (i32.const 0) (local.get $size))
        (call $answer (i32.const 2000) (local.get $size)))
"#;

/// Records even numbers, and traps on odd ones.
const SINK: &str = r#"
    (global $count (mut i32) (i32.const 0))
    (func (export "canister_update take")
        (drop (call $argument))
        (i32.store8 (i32.add (i32.const 2000) (global.get $count)) (i32.load8_u (i32.const 1000)))
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (if (i32.and (i32.load8_u (i32.const 1000)) (i32.const 1)) (then (unreachable)))
        (call $msg_reply))
    (func (export "canister_query taken") (call $answer (i32.const 2000) (global.get $count)))
"#;

/// Cycles that come with each call.
const ATTACHED: u64 = 1_000_000;

/// Calls `run` of a canister with cycles; replies with the refund, and the reject code or 0.
const DRIVER: &str = r#"
    (table 2 funcref) (elem (i32.const 0) $on_reply $on_reject)
    (data (i32.const 0) "run")
    (func (export "canister_update drive") (local $size i32)
        (local.set $size (call $argument))
        (call $new_call (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 1))
        (call $call_data_append (i32.const 1010) (i32.sub (local.get $size) (i32.const 10)))
        (call $call_cycles_add128 (i64.const 0) (i64.const 1000000))
        (if (call $call_perform) (then (unreachable))))
    (func $back (param $code i32)
        (call $msg_cycles_refunded128 (i32.const 800))
        (i32.store (i32.const 808) (local.get $code))
        (call $answer (i32.const 800) (i32.const 12)))
    (func $on_reply (param i32) (call $back (i32.const 0)))
    (func $on_reject (param i32) (call $back (call $msg_reject_code)))
"#;

/// The state that a message can change, as seen from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Visible {
    /// The globals, the timer, the size of the heap, and its slots.
    pub inside: Vec<u8>,
    pub stable: Vec<u8>,
    pub certified: Vec<u8>,
    /// The numbers that the sink recorded.
    pub taken: Vec<u8>,
}

/// An instance with the interpreter, the sink that it calls, and the driver that calls it.
#[derive(Clone)]
pub struct Stage {
    pub net: Net,
    pub id: Principal,
    sink: Principal,
    driver: Principal,
    pub module: Vec<u8>,
}

impl Stage {
    /// An interpreter with more exports, on a fresh instance.
    pub fn new(exports: &str) -> Self {
        let mut net = Net::new();
        let (sink, driver) = (net.install(SINK), net.install(DRIVER));
        let id = net.create(100 * T);
        let module = canister(&program(sink, exports));
        net.install_as(Install, id, module.clone(), &[]).unwrap();
        Self {
            net,
            id,
            sink,
            driver,
            module,
        }
    }

    /// Runs the steps as an update call with cycles, and all messages that follow from it. Returns
    /// the refund, and the reject code or 0.
    pub fn run(&mut self, steps: &[u8]) -> (u64, u32) {
        let argument = [self.id.as_slice(), steps].concat();
        let answer = self.net.update(self.driver, "drive", &argument).unwrap();
        let refund = u64::from_le_bytes(answer[..8].try_into().unwrap());
        (refund, u32::from_le_bytes(answer[8..].try_into().unwrap()))
    }

    pub fn visible(&mut self) -> Visible {
        let inside = self.net.update(self.id, "look", &[]).unwrap();
        Visible {
            inside,
            stable: self.net.replica.stable_memory(self.id).unwrap(),
            certified: certification::certified_data(&mut self.net, self.id),
            taken: self.net.query(self.sink, "taken", &[]).unwrap(),
        }
    }
}

/// A model of the interpreter. It is plain data: a rollback takes an older copy.
#[derive(Clone, Debug)]
pub struct Model {
    heap: Vec<u8>,
    heap_pages: u32,
    globals: [u8; 6],
    stable: Vec<u8>,
    certified: Vec<u8>,
    timer: u64,
    taken: Vec<u8>,
    /// Cycles of the executing call that were not accepted yet.
    available: u64,
    /// Whether the executing call was answered.
    answered: bool,
    /// The cycles that went back with the answer, once the message that answered is over.
    refund: Option<u64>,
    calls: VecDeque<(u8, [[u8; 4]; 3])>,
}

/// The kind of message in which steps run.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Update,
    Callback,
    Cleanup,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            heap: vec![0; SLOTS],
            heap_pages: 1,
            globals: [0; GLOBALS.len()],
            stable: Vec::new(),
            certified: Vec::new(),
            timer: 0,
            taken: Vec::new(),
            available: 0,
            answered: false,
            refund: None,
            calls: VecDeque::new(),
        }
    }
}

impl Model {
    /// As [`Stage::run`].
    pub fn run(&mut self, steps: &[u8]) -> (u64, u32) {
        const CANISTER_ERROR: u32 = 5;
        (self.available, self.answered, self.refund) = (ATTACHED, false, None);
        self.attempt(|model| model.execute(steps));
        while let Some((number, [reply, reject, cleanup])) = self.calls.pop_front() {
            let taken = number.is_multiple_of(2);
            self.taken.extend(taken.then_some(number));
            let steps = if taken { reply } else { reject };
            let step = |model: &mut Self, steps: [u8; 4], mode| {
                model.step(steps[0], steps[1], mode)?;
                model.step(steps[2], steps[3], mode)
            };
            if !self.attempt(|model| step(model, steps, Mode::Callback)) {
                self.attempt(|model| step(model, cleanup, Mode::Cleanup));
            }
        }
        match self.refund {
            Some(refund) => (refund, 0),
            None => (self.available, CANISTER_ERROR),
        }
    }

    pub fn visible(&self) -> Visible {
        let mut inside = Vec::new();
        let [i32, i64, f32, f64, v128, shown] = self.globals;
        inside.extend(u32::from(i32).to_le_bytes());
        inside.extend(u64::from(i64).to_le_bytes());
        inside.extend(f32::from(f32).to_le_bytes());
        inside.extend(f64::from(f64).to_le_bytes());
        inside.extend(u32::from(v128).to_le_bytes().repeat(4));
        inside.extend(u32::from(shown).to_le_bytes());
        inside.extend(self.timer.to_le_bytes());
        inside.extend(self.heap_pages.to_le_bytes());
        inside.extend(&self.heap);
        Visible {
            inside,
            stable: self.stable.clone(),
            certified: self.certified.clone(),
            taken: self.taken.clone(),
        }
    }

    /// Executes a message that commits or rolls back; returns whether it committed.
    fn attempt(&mut self, act: impl FnOnce(&mut Self) -> Option<()>) -> bool {
        let mut draft = self.clone();
        let done = act(&mut draft).is_some();
        if done {
            if draft.answered && draft.refund.is_none() {
                draft.refund = Some(std::mem::take(&mut draft.available));
            }
            *self = draft;
        }
        done
    }

    fn execute(&mut self, steps: &[u8]) -> Option<()> {
        let mut rest = steps;
        while let [action, number, more @ ..] = rest {
            rest = more;
            if *action == CALL {
                let (callbacks, more) = rest.split_at(12);
                let steps = |at: usize| callbacks[at..at + 4].try_into().unwrap();
                self.calls
                    .push_back((*number, [steps(0), steps(4), steps(8)]));
                rest = more;
            } else {
                self.step(*action, *number, Mode::Update)?;
            }
        }
        Some(())
    }

    /// Executes one step; `None` if it traps.
    fn step(&mut self, action: u8, number: u8, mode: Mode) -> Option<()> {
        let slot = usize::from(number) % SLOTS;
        match action {
            HEAP => self.heap[slot] = number,
            GLOBAL => self.globals[usize::from(number) % GLOBALS.len()] = number,
            GROW_HEAP => self.heap_pages += 1,
            GROW_STABLE => self.stable.extend([0; 65_536]),
            STABLE => *self.stable.get_mut(slot * 512)? = number,
            TIMER => self.timer = 8_000_000_000_000_000_000 + u64::from(number),
            TRAP => return None,
            // The platform does not allow these in a cleanup.
            CERTIFY | ACCEPT | CALL | REPLY if mode == Mode::Cleanup => return None,
            CERTIFY => self.certified = vec![number],
            ACCEPT => self.available -= self.available.min(1000 * u64::from(number)),
            CALL => self.calls.push_back((number, [[0; 4]; 3])),
            REPLY if self.answered => return None,
            REPLY => self.answered = true,
            _ => {}
        }
        Some(())
    }
}
