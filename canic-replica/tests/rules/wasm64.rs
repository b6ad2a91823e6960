//! Modules with 64-bit memories: addresses beyond 4 GiB, limits, closures, tables and prices.

use candid::Principal;
use canic_replica::{Effect, Fault, Kind, Reject};
use ic_management_canister_types::{
    self as types,
    CanisterInstallMode::{Install, Upgrade},
};

use crate::{
    common::{Net, T, canister},
    imports::wide_module,
};

/// The price of a message, without its instructions, in cycles.
const MESSAGE: u128 = 5_000_000;
/// `$reply` replies with a number.
const REPLY: &str = r#"
    (func $reply (param i64)
        (i64.store (i64.const 8) (local.get 0))
        (call $msg_reply_data_append (i64.const 8) (i64.const 8)) (call $msg_reply))
"#;

fn wide(body: &str) -> Vec<u8> {
    wide_module(&format!("{REPLY} {body}"))
}

/// Installs a module on a fresh canister without limit of its heap.
fn install_unlimited(net: &mut Net, module: Vec<u8>) -> Principal {
    let id = net.create(1_000 * T);
    let settings = types::CanisterSettings {
        wasm_memory_limit: Some(0_u8.into()),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    net.install_as(Install, id, module, &[]).unwrap();
    id
}

fn install(net: &mut Net, body: &str) -> Principal {
    install_unlimited(net, wide(body))
}

fn refusal(net: &mut Net, text: &str) -> Reject {
    let id = net.create(T);
    let module = wat::parse_str(text).unwrap();
    net.install_as(Install, id, module, &[]).unwrap_err()
}

/// The number that a method replies with.
fn reply(result: Result<Vec<u8>, Reject>) -> i64 {
    i64::from_le_bytes(result.unwrap().try_into().unwrap())
}

#[test]
fn a_heap_beyond_4_gib_is_kept_rolled_back_and_forked() {
    let mut net = Net::new();
    let id = install(
        &mut net,
        r#"(memory i64 1)
        (func (export "canister_update grow")
            (call $reply (memory.grow (i64.const 65600))))
        (func $set (i64.store (i64.const 0x1_0020_0000) (i64.const 7)))
        (func (export "canister_update set") (call $set) (call $reply (i64.const 0)))
        (func (export "canister_update trap")
            (i64.store (i64.const 0x1_0020_0000) (i64.const 8)) (unreachable))
        (func (export "canister_query get")
            (call $reply (i64.load (i64.const 0x1_0020_0000))))
        (func (export "canister_query low") (call $reply (i64.load (i64.const 0x20_0000))))
        (func (export "canister_query size") (call $reply (memory.size)))"#,
    );
    let message = net.query(id, "get", &[]).unwrap_err().message;
    assert!(message.ends_with("heap out of bounds."), "{message}");
    assert_eq!(reply(net.update(id, "grow", &[])), 1);
    assert_eq!(reply(net.query(id, "size", &[])), 65_601);
    let mut fork = net.clone();
    net.update(id, "set", &[]).unwrap();
    net.update(id, "trap", &[]).unwrap_err();
    assert_eq!(reply(net.query(id, "get", &[])), 7);
    assert_eq!(reply(net.query(id, "low", &[])), 0);
    assert_eq!(reply(fork.query(id, "get", &[])), 0);
    let heap = net.status(id).memory_metrics.wasm_memory_size;
    assert_eq!(heap, 65_601_u64 * 65_536);
}

/// `dfinity/ic` rs/config/src/embedders.rs (`max_wasm64_memory_size`), and "Resource limits" in the
/// platform's documentation: 4 GiB for Wasm32 and 6 GiB for Wasm64.
#[test]
fn a_64_bit_memory_grows_to_6_gib_and_a_32_bit_one_to_4() {
    let mut net = Net::new();
    let grow = |pages: &str| {
        format!(
            r#"(func (export "canister_update most") (call $reply (memory.grow {pages})))
            (func (export "canister_update one") (call $reply (memory.grow (PTR.const 1))))"#
        )
    };
    let body = grow("(i64.const 98303)").replace("PTR", "i64");
    let ids = [
        install(&mut net, &format!("(memory i64 1) {body}")),
        install(&mut net, &format!("(memory i64 1 98304) {body}")),
    ];
    for id in ids {
        assert_eq!(reply(net.update(id, "most", &[])), 1);
        assert_eq!(reply(net.update(id, "one", &[])), -1);
        assert_eq!(net.status(id).memory_metrics.wasm_memory_size, 6_u64 << 30);
    }
    let body = grow("(i32.const 65535)").replace("PTR", "i32");
    let id = install_unlimited(&mut net, canister(&body));
    assert_eq!(net.update(id, "most", &[]).unwrap(), [1, 0, 0, 0]);
    assert_eq!(net.update(id, "one", &[]).unwrap(), [0xff; 4]);
    assert_eq!(net.status(id).memory_metrics.wasm_memory_size, 4_u64 << 30);
}

/// `dfinity/ic` rs/embedders/src/wasm_utils/validation.rs, `validate_wasm_memory_size`.
#[test]
fn a_64_bit_memory_cannot_be_declared_larger_than_6_gib() {
    let mut net = Net::new();
    for memory in ["i64 98305", "i64 1 98305", "i64 1 0x1_0000_0000_0000"] {
        let reject = refusal(&mut net, &format!("(module (memory {memory}))"));
        let why = "memory pages which exceeds the maximum number allowed 98304.";
        assert!(reject.message.ends_with(why), "{}", reject.message);
        assert_eq!(reject.error_code, "IC0505");
    }
    install(&mut net, "(memory i64 98304)");
}

#[test]
fn the_limit_of_the_heap_holds_for_64_bit_memories() {
    let mut net = Net::new();
    let id = install(
        &mut net,
        r#"(memory i64 1)
        (func $grow (drop (memory.grow (i64.const 70000))) (call $reply (memory.size)))
        (func (export "canister_update grow") (call $grow))
        (func (export "canister_query grow_in_query") (call $grow))"#,
    );
    let limit = 70_000_u64 * 65_536;
    let settings = types::CanisterSettings {
        wasm_memory_limit: Some(limit.into()),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    let reject = net.update(id, "grow", &[]).unwrap_err();
    assert_eq!(reject.error_code, "IC0539");
    let why = format!(
        "Canister exceeded its current Wasm memory limit of {limit} bytes. The peak Wasm memory \
         usage was {} bytes.",
        limit + 65_536
    );
    assert!(reject.message.ends_with(&why), "{}", reject.message);
    assert_eq!(reply(net.query(id, "grow_in_query", &[])), 70_001);
}

/// `dfinity/ic` rs/replicated_state/src/canister_state/system_state/task_queue.rs: without a limit
/// the hook counts from 4 GiB, whatever the memory's width.
#[test]
fn the_hook_for_low_memory_counts_from_4_gib_if_there_is_no_limit() {
    let mut net = Net::new();
    let id = install(
        &mut net,
        r#"(memory i64 1) (global $low (mut i64) (i64.const 0))
        (func (export "canister_on_low_wasm_memory") (global.set $low (memory.size)))
        (func (export "canister_query low") (call $reply (global.get $low)))
        (func (export "canister_update grow")
            (drop (memory.grow (i64.const 32767))) (call $msg_reply))"#,
    );
    let settings = types::CanisterSettings {
        wasm_memory_threshold: Some(65_536_u32.into()),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    for (pages, low) in [(32_768, 0), (65_535, 0), (98_302, 98_302)] {
        net.update(id, "grow", &[]).unwrap();
        net.replica.tick();
        assert_eq!(
            net.status(id).memory_metrics.wasm_memory_size,
            pages * 65_536_u64
        );
        assert_eq!(reply(net.query(id, "low", &[])), low);
    }
}

/// `dfinity/ic` rs/embedders/src/wasm_utils/validation.rs, `validate_data_section`.
#[test]
fn a_data_segment_has_a_constant_offset_of_the_memorys_type() {
    let mut net = Net::new();
    for (module, bits, offset) in [
        (
            "(memory 1) (global $g i32 (i32.const 1)) (data (global.get $g) \"x\")",
            32,
            "GlobalGet { global_index: 0 }",
        ),
        (
            "(memory 1) (data (offset i32.const 1 i32.const 2 i32.add) \"x\")",
            32,
            "I32Const { value: 1 }",
        ),
        (
            "(memory i64 1) (global $g i64 (i64.const 1)) (data (global.get $g) \"x\")",
            64,
            "GlobalGet { global_index: 0 }",
        ),
        (
            "(memory i64 1) (data (i32.const 1) \"x\")",
            64,
            "I32Const { value: 1 }",
        ),
    ] {
        let reject = refusal(&mut net, &format!("(module {module})"));
        let why = format!(
            "Wasm module has an invalid data section. Invalid offset expression in data segment \
             for {bits}bit memory: {offset}"
        );
        assert!(reject.message.ends_with(&why), "{}", reject.message);
    }
    let reject = refusal(
        &mut net,
        "(module (memory i64 1) (data (i64.const -1) \"ab\"))",
    );
    let why = "out of bounds memory access";
    assert!(reject.message.contains(why), "{}", reject.message);
}

/// A canister that calls itself; its callbacks get closures beyond 32 bits.
const CALLER: &str = r#"
    (memory i64 1)
    (table 4 funcref) (elem (i32.const 1) $reply $nothing $boom)
    (data (i64.const 200) "yesno")
    (global $cleaned (mut i64) (i64.const 0))
    (func $nothing (param i64) (global.set $cleaned (local.get 0)))
    (func $boom (param i64) (unreachable))
    (func $call
        (param $name i64) (param $size i64) (param $reply i64) (param $reject i64)
        (call $canister_self_copy (i64.const 100) (i64.const 0) (i64.const 10))
        (call $call_new (i64.const 100) (i64.const 10) (local.get $name) (local.get $size)
            (local.get $reply) (i64.const 0x1111_2222_3333_4444)
            (local.get $reject) (i64.const -2))
        (call $call_on_cleanup (i64.const 2) (i64.const 0x5555_6666_7777_8888))
        (if (call $call_perform) (then (unreachable))))
    (func $call_yes (param i64)
        (call $call (i64.const 200) (i64.const 3) (local.get 0) (i64.const 1)))
    (func $call_no (call $call (i64.const 203) (i64.const 2) (i64.const 3) (i64.const 1)))
    (func (export "canister_query yes") (call $msg_reply))
    (func (export "canister_query no") (call $msg_reject (i64.const 0) (i64.const 0)))
    (func (export "canister_update on_reply") (call $call_yes (i64.const 1)))
    (func (export "canister_update on_reject") (call $call_no))
    (func (export "canister_update on_cleanup") (call $call_yes (i64.const 3)))
    (func (export "canister_update beyond") (call $call_yes (i64.const 0x1_0000_0001)))
    (func (export "canister_update at_32") (call $call_yes (i64.const 7)))
    (func (export "canister_query cleaned") (call $reply (global.get $cleaned)))
"#;

/// Interface specification 0.66, section "Entry points": callbacks have type `(env : I) -> ()`.
#[test]
fn the_environment_of_a_closure_has_64_bits() {
    let mut net = Net::new();
    let id = install(&mut net, CALLER);
    assert_eq!(
        reply(net.update(id, "on_reply", &[])),
        0x1111_2222_3333_4444
    );
    assert_eq!(reply(net.update(id, "on_reject", &[])), -2);
    let message = net.update(id, "on_cleanup", &[]).unwrap_err().message;
    assert!(message.ends_with("unreachable."), "{message}");
    assert_eq!(reply(net.query(id, "cleaned", &[])), 0x5555_6666_7777_8888);
    // A number beyond 32 bits is no entry of the table; it does not wrap around to entry 1.
    let reject = net.update(id, "beyond", &[]).unwrap_err();
    assert_eq!(reject.error_code, "IC0506", "{}", reject.message);
}

#[test]
fn a_callback_of_a_64_bit_module_takes_one_i64() {
    let mut net = Net::new();
    let body = CALLER.replace(
        "(table 4 funcref)",
        "(table 9 funcref) (elem (i32.const 7) $narrow)",
    );
    let id = install(&mut net, &format!("{body} (func $narrow (param i32))"));
    let reject = net.update(id, "at_32", &[]).unwrap_err();
    let why = "Canister violated contract: function invocation does not match its signature.";
    assert!(reject.message.ends_with(why), "{}", reject.message);
    assert_eq!(reject.error_code, "IC0504");
}

/// A table with 64-bit indexes belongs to the memory64 proposal, and does not depend on the
/// memory.
#[test]
fn a_table_may_have_64_bit_indexes_with_either_memory() {
    let mut net = Net::new();
    let table = r#"(table $t i64 3 funcref) (elem (i64.const 1) $seven)
        (func $seven (result ptr) (ptr.const 7))
        (func (export "canister_query x")
            (call $reply (call_indirect $t (result ptr) (i64.const 1))))"#;
    let id = install(
        &mut net,
        &format!("(memory i64 1) {}", table.replace("ptr", "i64")),
    );
    assert_eq!(reply(net.query(id, "x", &[])), 7);
    let id = install_unlimited(&mut net, canister(&table.replace("ptr", "i32")));
    assert_eq!(net.number(id, "x"), 7);
    let closures = CALLER.replace(
        "(table 4 funcref) (elem (i32.const 1)",
        "(table i64 4 funcref) (elem (i64.const 1)",
    );
    let id = install(&mut net, &closures);
    assert_eq!(reply(net.update(id, "on_reject", &[])), -2);
    let reject = refusal(&mut net, "(module (table i64 0x1_0000_0001 funcref))");
    let why = "which exceeds the maximum number allowed 1000000.";
    assert!(reject.message.ends_with(why), "{}", reject.message);
}

/// The instructions between two reads of the counter.
fn count(net: &mut Net, code: &str) -> i64 {
    let id = install(
        net,
        &format!(
            r#"(memory i64 1)
            (func (export "canister_query x") (local $before i64)
                (local.set $before (call $performance_counter (i32.const 0)))
                {code}
                (call $reply
                    (i64.sub (call $performance_counter (i32.const 0)) (local.get $before))))"#
        ),
    );
    reply(net.query(id, "x", &[]))
}

/// `dfinity/ic` rs/embedders/src/wasm_utils/instrumentation.rs, `instruction_to_cost`.
#[test]
fn loads_and_stores_of_a_64_bit_memory_weigh_two() {
    let mut net = Net::new();
    let reading = count(&mut net, "");
    let mut cost = |code: &str| count(&mut net, code) - reading;
    for load in [
        "i32.load",
        "i64.load8_s",
        "i64.load32_u",
        "f32.load",
        "f64.load",
        "v128.load",
        "v128.load16x4_u",
        "v128.load64_splat",
        "v128.load32_zero",
    ] {
        assert_eq!(
            cost(&format!("(drop ({load} (i64.const 0)))")),
            2 + 2,
            "{load}"
        );
    }
    for (store, value) in [
        ("i32.store8", "(i32.const 1)"),
        ("i64.store", "(i64.const 1)"),
        ("f64.store", "(f64.const 1)"),
        ("v128.store", "(v128.const i64x2 1 1)"),
        ("v128.store8_lane 0", "(v128.const i64x2 1 1)"),
    ] {
        assert_eq!(
            cost(&format!("({store} (i64.const 0) {value})")),
            2 + 2,
            "{store}"
        );
    }
    // The others weigh what they weigh with a 32-bit memory.
    assert_eq!(cost("(drop (memory.size))"), 1 + 20);
    assert_eq!(cost("(drop (memory.grow (i64.const 0)))"), 2 + 300);
    assert_eq!(
        cost("(memory.fill (i64.const 0) (i32.const 0) (i64.const 50))"),
        3 + 100 + 50
    );
    assert_eq!(cost("(drop (i64.mul (i64.const 2) (i64.const 2)))"), 3 + 1);
    assert_eq!(cost("(drop (call $msg_arg_data_size))"), 5 + 1 + 500);
}

/// `dfinity/ic` rs/config/src/embedders.rs, `WASM64_DIRTY_PAGE_OVERHEAD_MULTIPLIER`: pages of the
/// heap cost four times as much, pages of stable memory as much as with a 32-bit memory.
#[test]
fn a_changed_page_of_a_64_bit_heap_costs_4000() {
    let mut net = Net::new();
    let mut update = |code: &str| {
        let id = install(
            &mut net,
            &format!(
                r#"(memory i64 1) (func (export "canister_update x")
                    (drop (call $stable64_grow (i64.const 1))) {code} (call $msg_reply))"#
            ),
        );
        net.update(id, "x", &[]).unwrap();
        net.events(Kind::Ingress).last().unwrap().instructions
    };
    let none = update("");
    let store = "(i64.store (i64.const 8192) (i64.const 1))";
    assert_eq!(update(store) - none, 2 + 2 + 4_000);
    let write = "(call $stable64_write (i64.const 0) (i64.const 0) (i64.const 8))";
    assert_eq!(update(write) - none, 3 + 5 + 20 + 8 + 1_000);
}

/// Sizes that no memory has cost too many instructions, or lie out of bounds; none stops the host.
#[test]
fn pointers_and_sizes_at_the_limits_trap() {
    let mut net = Net::new();
    let mut refusal = |code: &str| {
        let body = format!(
            r#"(memory i64 1) (func (export "canister_query x") {code} (call $msg_reply))"#
        );
        let id = install(&mut net, &body);
        let reject = net.query(id, "x", &[]).unwrap_err();
        (reject.error_code, reject.message)
    };
    let (code, message) =
        refusal("(call $msg_arg_data_copy (i64.const 0x1_0000_0000) (i64.const 0) (i64.const 0))");
    assert_eq!(code, "IC0504");
    let why = "ic0.msg_arg_data_copy heap: src=4294967296 + length=0 exceeds the slice size=65536.";
    assert!(message.ends_with(why), "{message}");
    let (code, _) = refusal("(call $msg_arg_data_copy (i64.const -1) (i64.const 0) (i64.const 2))");
    assert_eq!(code, "IC0504");
    for call in [
        "$msg_arg_data_copy (i64.const 0) (i64.const 0) (i64.const -1)",
        "$msg_reply_data_append (i64.const 0) (i64.const -1)",
        "$msg_reject (i64.const 0) (i64.const 0x7fff_ffff_ffff_ffff)",
        "$trap (i64.const 0) (i64.const -1)",
        "$stable64_read (i64.const 0) (i64.const 0) (i64.const -1)",
    ] {
        assert_eq!(refusal(&format!("(call {call})")).0, "IC0522", "{call}");
    }
    let (code, message) = refusal("(drop (call $env_var_name_size (i64.const -1)))");
    assert_eq!(code, "IC0504");
    assert!(
        message.contains("index 18446744073709551615 is out"),
        "{message}"
    );
    // A line of the log is never too long: it is cut.
    let body = r#"(memory i64 1) (func (export "canister_query x")
        (call $debug_print (i64.const -1) (i64.const -1)) (call $msg_reply))"#;
    let id = install(&mut net, body);
    net.query(id, "x", &[]).unwrap();
}

/// `dfinity/ic` rs/config/src/subnet_config.rs, `WASM64_INSTRUCTION_COST_OVERHEAD`, and
/// rs/cycles_account_manager/src/cycles_account_manager.rs, `execution_cost`: an instruction costs
/// two cycles, the message itself as much as with a 32-bit memory.
#[test]
fn an_instruction_of_a_64_bit_module_costs_two_cycles() {
    let mut net = Net::new();
    let mut fees_of = |memory: &str| {
        let id = net.create(1_000 * T);
        let module = wat::parse_str(format!(
            r#"(module (import "ic0" "msg_reply" (func $reply))
            (import "ic0" "global_timer_set" (func $timer (param i64) (result i64)))
            (memory {memory})
            (func (export "canister_init") nop)
            (func (export "canister_update x")
                (drop (call $timer (i64.const 1))) (call $reply))
            (func (export "canister_global_timer") (drop (memory.size))))"#
        ));
        let fees = |net: &Net| net.replica.accounts().fees.execution;
        let before = fees(&net);
        net.install_as(Install, id, module.unwrap(), &[]).unwrap();
        let installed = fees(&net);
        net.update(id, "x", &[]).unwrap();
        net.replica.tick();
        net.check_accounts();
        let instructions = |kind| u128::from(net.events(kind).last().unwrap().instructions);
        (
            installed - before - MESSAGE,
            fees(&net) - installed - 2 * MESSAGE,
            instructions(Kind::Ingress) + instructions(Kind::Timer),
        )
    };
    let (narrow_install, narrow_messages, instructions) = fees_of("1");
    assert_eq!(narrow_messages, instructions);
    let (wide_install, wide_messages, instructions) = fees_of("i64 1");
    assert_eq!(wide_messages, 2 * instructions);
    assert_eq!(wide_install, 2 * narrow_install);
}

/// The module of a caller: `go` calls the canister of its argument, `price` replies with the cost
/// of such a call. The callbacks are empty.
fn caller_of(memory: &str, wide: bool) -> Vec<u8> {
    let text = r#"(data (PTR.const 64) "x") (table 1 funcref) (elem (i32.const 0) $callback)
        (func $callback (param PTR) (call $msg_reply))
        (func (export "canister_update go")
            (call $msg_arg_data_copy (PTR.const 0) (PTR.const 0) (PTR.const 10))
            (call $call_new (PTR.const 0) (PTR.const 10) (PTR.const 64) (PTR.const 1)
                (PTR.const 0) (PTR.const 0) (PTR.const 0) (PTR.const 0))
            (drop (call $call_perform)))
        (func (export "canister_update price")
            (call $cost_call (i64.const 1) (i64.const 0) (PTR.const 128))
            (call $msg_reply_data_append (PTR.const 128) (PTR.const 16)) (call $msg_reply))"#;
    let pointer = if wide { "i64" } else { "i32" };
    let body = format!("(memory {memory}) {}", text.replace("PTR", pointer));
    if wide {
        wide_module(&body)
    } else {
        canister(&body.replace("(memory 1)", ""))
    }
}

/// A call prepays its callback at the price of the caller's module. `dfinity/ic`
/// rs/cycles_account_manager/src/cycles_account_manager.rs, `prepayment_for_response_execution`.
#[test]
fn the_callback_of_a_64_bit_module_is_prepaid_and_paid_twice_as_high() {
    let mut net = Net::new();
    let [narrow, wide] = [caller_of("1", false), caller_of("i64 1", true)].map(|module| {
        let id = net.create(1_000 * T);
        net.install_as(Install, id, module, &[]).unwrap();
        id
    });
    let mut price = |id| {
        let bytes = net.update(id, "price", &[]).unwrap();
        u128::from_le_bytes(bytes.try_into().unwrap())
    };
    assert_eq!(price(wide) - price(narrow), 40_000_000_000);
    let callee = net.install(r#"(func (export "canister_update x") (call $reply (i32.const 0)))"#);
    let fees = |net: &Net| net.replica.accounts().fees.execution;
    for (id, factor) in [(narrow, 1), (wide, 2)] {
        let before = fees(&net);
        net.update(id, "go", callee.as_slice()).unwrap();
        net.check_accounts();
        let instructions = |kind| u128::from(net.events(kind).last().unwrap().instructions);
        let of_caller = instructions(Kind::Ingress) + instructions(Kind::Reply);
        let expected = 3 * MESSAGE + instructions(Kind::Update) + factor * of_caller;
        assert_eq!(fees(&net) - before, expected);
    }
}

/// A canister that becomes 64-bit while it waits for an answer pays what its prepayment lacks.
/// `dfinity/ic` rs/cycles_account_manager/src/cycles_account_manager.rs,
/// `adjust_prepayment_for_response_execution`.
#[test]
fn a_callback_is_paid_at_the_price_of_the_code_that_runs_it() {
    let mut net = Net::new();
    let callee = net.install(r#"(func (export "canister_update x") (call $reply (i32.const 0)))"#);
    for (first, then, factor) in [(false, true, 2), (true, false, 1)] {
        let module = |is_wide| match is_wide {
            true => caller_of("i64 1", true),
            false => caller_of("1", false),
        };
        let id = net.create(1_000 * T);
        net.install_as(Install, id, module(first), &[]).unwrap();
        let delay = Fault::on_answer(Effect::Delay { rounds: 9 }).caller(id);
        net.replica.inject(delay);
        let call = net.ingress(id, "go", callee.as_slice());
        let message = net.replica.submit(call).unwrap();
        net.replica.tick();
        net.install_as(Upgrade(None), id, module(then), &[])
            .unwrap();
        let fees = |net: &Net| net.replica.accounts().fees.execution;
        let before = fees(&net);
        net.replica.await_ingress(&message).unwrap().unwrap();
        net.check_accounts();
        let instructions = u128::from(net.events(Kind::Reply).last().unwrap().instructions);
        assert_eq!(fees(&net) - before, MESSAGE + factor * instructions);
    }
}

/// Neither the prepayment nor the balance pays for the callback: the call is rejected.
#[test]
fn a_callback_that_cannot_be_paid_any_more_does_not_run() {
    let mut net = Net::new();
    let callee = net.install(r#"(func (export "canister_update x") (call $reply (i32.const 0)))"#);
    let id = net.create(1_000 * T);
    net.install_as(Install, id, caller_of("1", false), &[])
        .unwrap();
    let delay = Fault::on_answer(Effect::Delay { rounds: 20 }).caller(id);
    net.replica.inject(delay);
    let call = net.ingress(id, "go", callee.as_slice());
    let message = net.replica.submit(call).unwrap();
    net.replica.tick();
    net.install_as(Upgrade(None), id, burner(), &[]).unwrap();
    let settings = types::CanisterSettings {
        freezing_threshold: Some(0_u8.into()),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    // A query method prepays, and gets back, less than the callback needs.
    net.update(id, "burn", &[]).unwrap();
    let reject = net.replica.await_ingress(&message).unwrap().unwrap_err();
    assert_eq!(reject.error_code, "IC0207");
    net.check_accounts();
    assert!(net.events(Kind::Reply).is_empty());
}

/// A 64-bit module whose `burn` burns all cycles above the freezing limit.
fn burner() -> Vec<u8> {
    wide_module(
        r#"(memory i64 1) (table 1 funcref) (elem (i32.const 0) $callback)
        (func $callback (param i64) (call $msg_reply))
        (func (export "canister_query burn")
            (call $cycles_burn128 (i64.const -1) (i64.const -1) (i64.const 0))
            (call $msg_reply))"#,
    )
}
