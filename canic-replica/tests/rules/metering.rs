//! Metering of messages: each instruction, each system call, and each page that they change.

use canic_replica::{Kind, SubnetKind};

use crate::common::Net;

/// The instructions between two reads of the counter, with those that a read takes.
fn count(net: &mut Net, code: &str) -> u64 {
    let id = net.install(&format!(
        r#"(table 2 funcref) (elem (i32.const 0) $f) (elem $passive func $f) (func $f)
        (func $tail (return_call $f))
        (func $indirect_tail (return_call_indirect (i32.const 0)))
        (data $blob "0123456789") (global $x (mut i32) (i32.const 0))
        (func (export "canister_query x") (local $before i64)
            (local.set $before (call $performance_counter (i32.const 0)))
            {code}
            (i64.store (i32.const 900)
                (i64.sub (call $performance_counter (i32.const 0)) (local.get $before)))
            (call $answer (i32.const 900) (i32.const 8)))"#
    ));
    let reply = net.query(id, "x", &[]).unwrap();
    u64::from_le_bytes(*reply.last_chunk().unwrap())
}

#[test]
fn instructions_have_the_platforms_weights() {
    let mut net = Net::new();
    let reading = count(&mut net, "");
    let mut cost = |code: &str| count(&mut net, code) - reading;
    // Each line: a class of instructions, an example, and the weights of its parts.
    let i32s = "(i32.const 7) (i32.const 2)";
    let f32s = "(f32.const 7) (f32.const 2)";
    let f64s = "(f64.const 7) (f64.const 2)";
    let binary = |operands: &str, operator: &str| format!("{operands} ({operator}) (drop)");
    let unary = |operand: &str, operator: &str| format!("({operand}.const 7) ({operator}) (drop)");
    for (operator, weight) in [
        ("i32.add", 1),
        ("i32.sub", 1),
        ("i32.mul", 1),
        ("i32.shl", 1),
        ("i32.lt_u", 1),
        ("i32.div_u", 10),
        ("i32.div_s", 10),
        ("i32.rem_u", 10),
    ] {
        assert_eq!(cost(&binary(i32s, operator)), 3 + weight, "{operator}");
    }
    for (operator, weight) in [
        ("f32.add", 2),
        ("f32.div", 3),
        ("f32.min", 18),
        ("f32.lt", 3),
        ("f32.copysign", 2),
    ] {
        assert_eq!(cost(&binary(f32s, operator)), 3 + weight, "{operator}");
    }
    for (operator, weight) in [
        ("f64.mul", 2),
        ("f64.div", 5),
        ("f64.max", 18),
        ("f64.ge", 3),
        ("f64.copysign", 3),
    ] {
        assert_eq!(cost(&binary(f64s, operator)), 3 + weight, "{operator}");
    }
    for (operand, operator, weight) in [
        ("f32", "f32.abs", 1),
        ("f32", "f32.ceil", 2),
        ("f32", "f32.sqrt", 5),
        ("f64", "f64.neg", 1),
        ("f64", "f64.sqrt", 8),
        ("i32", "f32.convert_i32_s", 3),
        ("i64", "f64.convert_i64_u", 16),
        ("f64", "i64.trunc_f64_s", 20),
        ("f64", "i64.trunc_sat_f64_u", 20),
        ("f64", "f32.demote_f64", 1),
        ("i32", "i32.popcnt", 1),
        ("i64", "i32.wrap_i64", 1),
    ] {
        assert_eq!(cost(&unary(operand, operator)), 2 + weight, "{operator}");
    }
    for (class, code, weight) in [
        ("constants and drop", "(drop (i32.const 1))", 2),
        ("nop", "(nop)", 1),
        ("locals", "(local.set $before (local.get $before))", 2),
        ("load", "(drop (i32.load (i32.const 0)))", 3),
        ("store", "(i32.store (i32.const 8) (i32.const 0))", 3),
        ("global.get", "(drop (global.get $x))", 3),
        ("global.set", "(global.set $x (i32.const 1))", 3),
        ("block and end", "(block)", 0),
        ("loop", "(loop)", 0),
        (
            "if, else",
            "(if (i32.const 1) (then (nop)) (else (nop) (nop)))",
            4,
        ),
        ("br", "(block (br 0))", 2),
        ("br_if", "(block (br_if 0 (i32.const 0)))", 3),
        ("br_table", "(block (br_table 0 0 (i32.const 0)))", 3),
        (
            "select",
            "(drop (select (i32.const 1) (i32.const 2) (i32.const 0)))",
            5,
        ),
        ("memory.size", "(drop (memory.size))", 21),
        ("memory.grow", "(drop (memory.grow (i32.const 0)))", 302),
        (
            "memory.fill",
            "(memory.fill (i32.const 0) (i32.const 0) (i32.const 50))",
            153,
        ),
        (
            "memory.copy",
            "(memory.copy (i32.const 0) (i32.const 100) (i32.const 50))",
            153,
        ),
        (
            "memory.init",
            "(memory.init $blob (i32.const 0) (i32.const 0) (i32.const 10))",
            113,
        ),
        ("data.drop", "(data.drop $blob)", 300),
        ("elem.drop", "(elem.drop $passive)", 300),
        ("table.size", "(drop (table.size))", 101),
        ("table.get", "(drop (table.get (i32.const 0)))", 7),
        ("ref.func", "(drop (ref.func $f))", 131),
        (
            "ref.is_null",
            "(drop (ref.is_null (table.get (i32.const 1))))",
            12,
        ),
        (
            "shuffle",
            "(drop (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
                (v128.const i64x2 0 0) (v128.const i64x2 0 0)))",
            6,
        ),
    ] {
        assert_eq!(cost(code), weight, "{class}");
    }
    // `dfinity/ic` rs/embedders/src/wasm_utils/instrumentation.rs: loads of lanes weigh 1.
    assert_eq!(
        cost("(drop (v128.load8_lane 0 (i32.const 0) (v128.const i64x2 0 0)))"),
        3 + 1
    );
    // Entering a function takes one instruction more.
    assert_eq!(cost("(call $f)"), 5 + 1);
    assert_eq!(cost("(call_indirect (i32.const 0))"), 1 + 10 + 1);
    assert_eq!(cost("(call $tail)"), 5 + 1 + 3 + 1);
    assert_eq!(cost("(call $indirect_tail)"), 5 + 1 + 1 + 60 + 1);
}

#[test]
fn a_branch_that_is_not_taken_is_not_charged() {
    let mut net = Net::new();
    let reading = count(&mut net, "");
    let both = "(if (i32.const 0) (then (nop) (nop) (nop)) (else (nop)))";
    assert_eq!(count(&mut net, both) - reading, 1 + 2 + 1);
}

#[test]
fn memory_grows_at_the_same_price_in_each_function_and_the_code_around_it_still_works() {
    let mut net = Net::new();
    let id = net.install(
        r#"(func $twice (result i32) (block $b (result i32)
            (drop (memory.grow (i32.const 1)))
            (br $b (i32.add (memory.grow (i32.const 1)) (i32.const 100)))))
        (func $between (result i32) (i32.const 7))
        (func $once (result i32)
            (if (result i32) (i32.const 1)
                (then (memory.grow (i32.const 1))) (else (i32.const 0))))
        (func (export "canister_query x")
            (call $reply (i32.add (i32.mul (call $twice) (i32.const 1000))
                (i32.add (call $between) (call $once)))))"#,
    );
    assert_eq!(net.number(id, "x"), 102 * 1000 + 7 + 3);
}

#[test]
fn system_calls_cost_their_price_and_the_bytes_they_move() {
    let mut net = Net::new();
    let reading = count(&mut net, "");
    let mut cost = |code: &str| count(&mut net, code) - reading;
    // The call itself takes 5 more, and each argument 1.
    assert_eq!(cost("(drop (call $msg_arg_data_size))"), 506);
    assert_eq!(cost("(drop (call $time))"), 506);
    assert_eq!(
        cost("(call $msg_arg_data_copy (i32.const 0) (i32.const 0) (i32.const 0))"),
        508
    );
    assert_eq!(
        cost("(call $canister_self_copy (i32.const 0) (i32.const 0) (i32.const 10))"),
        518
    );
    assert_eq!(
        cost("(drop (call $performance_counter (i32.const 0)))"),
        5 + 2 + 200
    );
    assert_eq!(
        cost("(drop (call $is_controller (i32.const 0) (i32.const 4)))"),
        5 + 3 + 1_000 + 4
    );
    assert_eq!(cost("(drop (call $stable64_size))"), 5 + 1 + 20);
    assert_eq!(
        cost("(drop (call $stable64_grow (i64.const 0)))"),
        5 + 2 + 500
    );
    // Bytes that leave the sandbox cost 50 each.
    assert_eq!(
        cost("(call $msg_reply_data_append (i32.const 0) (i32.const 8))"),
        5 + 2 + 500 + 400
    );
    // Printed bytes cost 2 more each, for the log.
    assert_eq!(
        cost("(call $debug_print (i32.const 0) (i32.const 77))"),
        5 + 2 + 100 + 77 * 52
    );
}

#[test]
fn printing_more_than_the_log_holds_costs_no_more() {
    let mut net = Net::new();
    let reading = count(&mut net, "");
    let print = "(call $debug_print (i32.const 0) (i32.const 4000))";
    let once = count(&mut net, print) - reading;
    let twice = count(&mut net, &print.repeat(2)) - reading;
    assert_eq!(once, 107 + 4000 * 52);
    // The log holds 4,096 bytes, and a line takes 16 beside its text.
    assert_eq!(twice - once, 107 + 4000 * 2 + (4096 - 4016) * 50);
}

/// The instructions of an update call that runs this code.
fn update(net: &mut Net, code: &str) -> u64 {
    let id = net.install(&format!(
        r#"(func (export "canister_update x")
            (drop (call $stable64_grow (i64.const 1))) {code} (call $reply (i32.const 0)))"#
    ));
    net.update(id, "x", &[]).unwrap();
    net.events(Kind::Ingress).last().unwrap().instructions
}

#[test]
fn a_stable_page_costs_once_when_it_is_first_written() {
    let mut net = Net::new();
    let write = "(call $stable64_write (i64.const 0) (i64.const 0) (i64.const 8))";
    let mut cost = |times: usize| update(&mut net, &write.repeat(times));
    let (none, one, two) = (cost(0), cost(1), cost(2));
    assert_eq!(one - none, 5 + 3 + 20 + 8 + 1_000);
    assert_eq!(two - one, 5 + 3 + 20 + 8);
    let across = "(call $stable64_write (i64.const 4090) (i64.const 0) (i64.const 8))";
    assert_eq!(update(&mut net, across) - none, 5 + 3 + 20 + 8 + 2_000);
}

#[test]
fn a_page_of_the_heap_costs_if_the_message_changed_it() {
    let mut net = Net::new();
    let none = update(&mut net, "");
    let store = |page: u32, value: u32| {
        format!(
            "(i32.store (i32.const {}) (i32.const {value}))",
            page * 4096
        )
    };
    let two = store(2, 1) + &store(3, 1) + &store(3, 2);
    assert_eq!(update(&mut net, &two) - none, 3 * 3 + 2 * 1_000);
    // Zeros over zeros change nothing.
    assert_eq!(update(&mut net, &store(2, 0)) - none, 3);
}

#[test]
fn a_cloud_engine_counts_instructions_and_charges_nothing() {
    let mut net = Net::with(vec![SubnetKind::CloudEngine]);
    let none = update(&mut net, "");
    let changed = update(&mut net, "(i32.store (i32.const 8192) (i32.const 1))");
    assert_eq!(changed - none, 1_003);
    let accounts = net.replica.accounts();
    assert_eq!(accounts.balances, accounts.minted, "{accounts:?}");
}

#[test]
fn the_pages_of_a_system_subnet_cost_nothing() {
    let mut net = Net::with(vec![SubnetKind::System]);
    let none = update(&mut net, "");
    let changed = update(&mut net, "(i32.store (i32.const 8192) (i32.const 1))");
    assert_eq!(changed - none, 3);
}
