//! Fuzzed modules: damaged ones, random valid ones, and hostile ones that call all that a canister
//! can call, with numbers at the limits.

use candid::Principal;
use canic_replica::{Effect, Fault};
use ic_management_canister_types::CanisterInstallMode::{Install, Upgrade};
use wasm_smith::{Config, Module};

use super::{candid::FORWARDER, draws::Draws};
use crate::{
    common::{Net, canister, encode, record},
    imports::{imports, module, wide_imports, wide_module},
};

#[derive(Clone)]
struct Start {
    net: Net,
    /// An empty canister with many cycles. Armed faults trap its messages after a million
    /// instructions.
    id: Principal,
    /// A [`FORWARDER`], which must work on.
    sane: Principal,
    /// Valid modules.
    modules: Vec<Vec<u8>>,
}

thread_local! {
    static START: Start = start();
}

fn start() -> Start {
    let mut net = Net::new();
    let id = net.create(100_000_000_000_000);
    let mut fault = Fault::on_call(Effect::Trap {
        after: Some(1_000_000),
    });
    fault.times = u64::MAX;
    fault.callee = Some(id);
    net.replica.inject(fault.clone());
    fault.direction = Fault::on_answer(fault.effect.clone()).direction;
    fault.callee = None;
    fault.caller = Some(id);
    net.replica.inject(fault);
    let modules = vec![
        canister(FORWARDER),
        canister(
            r#"(global $g (mut i32) (i32.const 3)) (start $s)
            (func $s (global.set $g (i32.const 5)))
            (func (export "canister_init") (drop (memory.grow (i32.const 2))))
            (func (export "canister_heartbeat") (drop (call $stable64_grow (i64.const 1))))
            (func (export "canister_update run")
                (call $stable64_write (i64.const 0) (i64.const 0) (i64.const 5000))
                (call $reply (global.get $g)))"#,
        ),
        canister(
            r#"(table $t 10 funcref) (elem (i32.const 1) $f)
            (data (i32.const 3000) "some data")
            (func $f (param i32) (result i64)
                (i64.div_s (i64.const 9) (i64.extend_i32_u (local.get 0))))
            (func (export "canister_update run") (local $i i32)
                (loop $l
                    (drop (call_indirect (param i32) (result i64)
                        (local.get $i) (i32.const 1)))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $l (i32.lt_u (local.get $i) (i32.const 10))))
                (call $reply (local.get $i)))"#,
        ),
    ];
    let sane = net.install(FORWARDER);
    Start {
        net,
        id,
        sane,
        modules,
    }
}

/// Installs and runs a module that `data` chooses. Two runs end in the same state, and another
/// canister works on.
pub(crate) fn check(data: &[u8]) {
    let draws = &mut Draws::new(data);
    let start = START.with(Start::clone);
    let wasm = match draws.below(3) {
        0 => damaged_module(draws, &start.modules),
        1 => valid_module(draws),
        _ => hostile_module(draws),
    };
    let hashes = [(); 2].map(|()| {
        let mut start = start.clone();
        run(&mut start, &wasm);
        start.net.replica.state_hash()
    });
    assert_eq!(hashes[0], hashes[1]);
}

fn run(Start { net, id, sane, .. }: &mut Start, wasm: &[u8]) {
    let rounds = |net: &mut Net| {
        for _ in 0..4 {
            net.replica.tick();
            net.check_accounts();
        }
    };
    if net.install_as(Install, *id, wasm.to_vec(), b"arg").is_ok() {
        // The query runs as a call, too: the armed fault ends it after a million instructions.
        for method in ["run", "get"] {
            // The call may be refused, even by the module's own inspection.
            drop(
                net.replica
                    .submit(net.ingress(*id, method, b"\x08raw_randDIDL\0\0")),
            );
            rounds(net);
        }
        // A stop request may wait until it times out; then the canister runs on.
        let stop = encode(record(*id).0);
        let stop = net.ingress(Principal::management_canister(), "stop_canister", &stop);
        drop(net.replica.submit(stop));
        rounds(net);
        drop(net.install_as(Upgrade(None), *id, wasm.to_vec(), b"arg"));
        rounds(net);
    }
    assert_eq!(net.number(*sane, "get"), 7);
}

/// A valid module with a few bytes changed.
fn damaged_module(draws: &mut Draws<'_>, modules: &[Vec<u8>]) -> Vec<u8> {
    let mut module = draws.pick(modules).clone();
    // Spares the list of imports: most changes there make the module invalid at once.
    let tail = module.len() - draws.below(module.len() / 3) - 1;
    let mut end = module.split_off(tail);
    draws.mutate(&mut end);
    module.extend(end);
    module
}

/// The functions that the platform calls.
const ENTRIES: [&str; 9] = [
    "canister_init",
    "canister_pre_upgrade",
    "canister_post_upgrade",
    "canister_inspect_message",
    "canister_heartbeat",
    "canister_global_timer",
    "canister_on_low_wasm_memory",
    "canister_update run",
    "canister_query get",
];

/// A random valid module. Some use features that this replica does not run, or have a memory of
/// another width than their imports.
fn valid_module(draws: &mut Draws<'_>) -> Vec<u8> {
    let wide = draws.below(2) == 0;
    let imports = match wide {
        true => wide_module("(memory i64 1)"),
        false => module(""),
    };
    let mut config = Config {
        available_imports: Some(imports),
        exports: Some(exports(draws)),
        min_funcs: 1,
        min_memories: 1,
        ..Config::default()
    };
    if draws.below(8) != 0 {
        config.exceptions_enabled = false;
        config.extended_const_enabled = false;
        config.gc_enabled = false;
        config.memory64_enabled = wide;
        // Without `externref`, and instructions that change tables.
        config.reference_types_enabled = false;
        config.relaxed_simd_enabled = false;
        config.threads_enabled = false;
    }
    match Module::new(config, &mut draws.0) {
        Ok(module) => module.to_bytes(),
        // The bytes do not suffice for a module.
        Err(_) => module(""),
    }
}

/// A module that has some of the [`ENTRIES`].
fn exports(draws: &mut Draws<'_>) -> Vec<u8> {
    let functions: String = entries(draws)
        .iter()
        .map(|name| format!("(func (export \"{name}\"))"))
        .collect();
    wat::parse_str(format!("(module {functions})")).expect("a module")
}

/// All methods, and a third of the hooks: random hooks often make an installation or a message fail
/// before a method runs.
fn entries(draws: &mut Draws<'_>) -> Vec<&'static str> {
    let mut entries = ENTRIES.to_vec();
    entries.retain(|name| name.contains(' ') || draws.below(3) == 2);
    entries
}

/// A module whose functions execute a few random instructions each, with numbers at the limits.
fn hostile_module(draws: &mut Draws<'_>) -> Vec<u8> {
    let wide = draws.below(2) == 0;
    let (imports, pointer) = match wide {
        true => (wide_imports(), "i64"),
        false => (imports(), "i32"),
    };
    let number = |draws: &mut Draws<'_>| match *draws.pick(&NUMBERS) {
        number if wide => number,
        number => i64::from(number as i32),
    };
    let entries = entries(draws);
    let mut body = String::from("(table 8 funcref) (elem (i32.const 1) $f0 $f1 $f2 $f3) ");
    let locals = ["", "(local i64 i64 v128)"][draws.below(2)];
    let frame = "i64 ".repeat(draws.below(5_000));
    body += &format!("(func $deep (local {frame}) (call $deep)) ");
    body += "(global $g (mut i64) (i64.const 0)) ";
    body += "(global $v (export \"v\") (mut v128) (v128.const i64x2 1 2)) ";
    let mut function = |head: String| {
        body += &format!("(func {head} {locals} ");
        for _ in 0..draws.below(8) {
            body += &match draws.below(32) {
                0 => "(call $deep)".to_owned(),
                1 => format!("(drop (memory.grow (ptr.const {})))", number(draws)),
                2 => format!(
                    "(memory.fill (ptr.const {}) (i32.const 7) (ptr.const {}))",
                    number(draws),
                    number(draws)
                ),
                3 => format!("(i64.store (ptr.const {}) (global.get $g))", number(draws)),
                4 => {
                    "(global.set $g (i64.add (global.get $g) (i64.load (ptr.const 8))))".to_owned()
                }
                5 => "(loop $l (drop (memory.grow (ptr.const 1))) (br $l))".to_owned(),
                6 => format!(
                    "(call_indirect (param ptr) (ptr.const 0) (i32.const {}))",
                    draws.below(10)
                ),
                // A call that succeeds, so that the instructions after it are reached.
                7 | 8 => "(call $call_new (ptr.const 0) (ptr.const 0) (ptr.const 0) (ptr.const 9) \
                    (ptr.const 1) (ptr.const 0) (ptr.const 2) (ptr.const 0)) \
                    (drop (call $call_perform))"
                    .to_owned(),
                9 => "(drop (call $global_timer_set (i64.const 1)))".to_owned(),
                10 => "(drop (call $stable64_grow (i64.const 1)))".to_owned(),
                _ => draws.pick(&imports).call(|ty| match *draws.pick(&NUMBERS) {
                    number if ty == "i32" => i64::from(number as i32),
                    number => number,
                }),
            };
        }
        body += ") ";
    };
    for index in 0..4 {
        function(format!("$f{index} (param ptr)"));
    }
    for name in entries {
        function(format!("(export \"{name}\")"));
    }
    let body = body.replace("ptr", pointer);
    match wide {
        true => wide_module(&format!("(memory i64 1) {body}")),
        false => module(&body),
    }
}

/// Sizes, offsets, amounts and indexes: small ones, and those next to a power of two that matters.
const NUMBERS: [i64; 18] = [
    0,
    0,
    1,
    2,
    3,
    10,
    29,
    32,
    4096,
    65_535,
    65_536,
    0x7fff_ffff,
    -0x8000_0000,
    -1,
    0x1_0000_0000,
    0x1_8000_0000,
    i64::MIN,
    i64::MAX,
];
