//! Hostile modules: the replica refuses them by name or traps them, in bounded time and memory, and
//! the host stays up.

use std::io::Write;

use candid::Principal;
use ic_management_canister_types::CanisterInstallMode::Install;

use crate::{
    common::{Net, T},
    imports::module,
};

/// Installs a module that is refused; returns the reason.
fn refusal(net: &mut Net, wasm: Vec<u8>) -> String {
    let id = net.create(100 * T);
    let reject = net.install_as(Install, id, wasm, &[]).unwrap_err();
    assert_eq!(reject.error_code, "IC0505", "{}", reject.message);
    let prefix = format!("Error from Canister {id}: Canister's Wasm module is not valid: ");
    reject.message.strip_prefix(&prefix).unwrap().to_owned()
}

fn install(net: &mut Net, wasm: Vec<u8>) -> Principal {
    let id = net.create(100 * T);
    net.install_as(Install, id, wasm, &[]).unwrap();
    id
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn gzip(bytes: &[u8], times: usize) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..times {
        gzip.write_all(bytes).unwrap();
    }
    gzip.finish().unwrap()
}

#[test]
fn unsupported_features_are_refused_by_name() {
    let mut net = Net::new();
    for (text, why) in [
        ("(component)", "Wasm components are not supported."),
        (
            "(module (global (mut funcref) (ref.null func)))",
            "Mutable globals of a reference type are not supported.",
        ),
        (
            "(module (tag $e) (export \"e\" (tag $e)))",
            "Wasm exceptions are not supported.",
        ),
    ] {
        assert_eq!(refusal(&mut net, wat(text)), why);
    }
    for (instruction, code) in [
        ("table.set", "(table.set (i32.const 0) (ref.null func))"),
        (
            "table.grow",
            "(drop (table.grow (ref.null func) (i32.const 1)))",
        ),
        (
            "table.fill",
            "(table.fill (i32.const 0) (ref.null func) (i32.const 1))",
        ),
        (
            "table.copy",
            "(table.copy (i32.const 0) (i32.const 0) (i32.const 1))",
        ),
        (
            "table.init",
            "(table.init $e (i32.const 0) (i32.const 0) (i32.const 0))",
        ),
    ] {
        let text = format!("(module (table 1 funcref) (elem $e func) (func (nop)) (func {code}))");
        let why = format!(
            "Wasm module contains a function at index 1 with unsupported instruction {instruction}"
        );
        assert_eq!(refusal(&mut net, wat(&text)), why);
    }
}

#[test]
fn damaged_modules_are_refused() {
    let mut net = Net::new();
    let whole = wat(
        "(module (type (func)) (memory 1) (func (nop)) (export \"canister_init\" (func 0)) \
         (data (i32.const 0) \"x\"))",
    );
    let mut cases = vec![
        Vec::new(),
        b"\0asm".to_vec(),
        b"not a module at all".to_vec(),
        b"\x1f\x8bnot gzip".to_vec(),
        // A section longer than the module; a section with an unknown id; all sections twice.
        [&whole[..8], &[1, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(),
        [&whole[..], &[99, 0]].concat(),
        [&whole[..], &whole[8..]].concat(),
    ];
    // The module cut off anywhere but between two sections. A section has an id, a length (one byte
    // here), and its content.
    let mut ends = vec![8];
    while let Some(&end) = ends.last()
        && end < whole.len()
    {
        ends.push(end + 2 + usize::from(whole[end + 1]));
    }
    cases.extend(
        (1..whole.len())
            .filter(|end| !ends.contains(end))
            .map(|end| whole[..end].to_vec()),
    );
    for wasm in cases {
        let id = net.create(T);
        let shown = format!("{wasm:?}");
        if let Ok(()) = net.install_as(Install, id, wasm, &[]) {
            panic!("installed {shown}");
        }
    }
    // With any byte inverted it may be another valid module.
    for at in 0..whole.len() {
        let mut inverted = whole.clone();
        inverted[at] ^= 0xff;
        let id = net.create(T);
        if let Err(reject) = net.install_as(Install, id, inverted, &[]) {
            assert_eq!(reject.error_code, "IC0505", "{}", reject.message);
        }
    }
    net.check_accounts();
}

#[test]
fn compressed_modules_are_not_unpacked_beyond_their_limit() {
    let mut net = Net::new();
    let bomb = gzip(&[0; 1 << 20], 101);
    assert!(bomb.len() < 1 << 20);
    let why = refusal(&mut net, bomb);
    assert!(
        why.contains("larger than the limit of 104857600 bytes"),
        "{why}"
    );
    let whole = gzip(&wat("(module)"), 1);
    install(&mut net, whole.clone());
    let why = refusal(&mut net, whole[..whole.len() - 9].to_vec());
    assert!(why.starts_with("Failed to decompress Wasm module"), "{why}");
}

#[test]
fn definitions_of_a_module_are_limited() {
    let mut net = Net::new();
    let many = |item: &str, times: usize| wat(&format!("(module {})", item.repeat(times)));
    for (wasm, why) in [
        (
            many("(global i32 (i32.const 0))", 1_001),
            "Wasm module defined 1001 globals which exceeds the maximum number allowed 1000.",
        ),
        (
            many("(func)", 50_001),
            "Wasm module defined 50001 functions which exceeds the maximum number allowed 50000.",
        ),
        (
            wat(&format!("(module (func {}))", "nop ".repeat(1_000_000))),
            "Wasm module contains a function at index 0 of size 1000001 that exceeds the maximum \
             allowed size of 1000000",
        ),
    ] {
        assert_eq!(refusal(&mut net, wasm), why);
    }
    let methods = |count: usize, name: &str| {
        let exports: String = (0..count)
            .map(|i| format!("(export \"canister_update {name}{i}\" (func 0))"))
            .collect();
        wat(&format!("(module (func) {exports})"))
    };
    install(&mut net, methods(1_000, ""));
    assert_eq!(
        refusal(&mut net, methods(1_001, "")),
        "Wasm module defined 1001 exported methods which exceeds the maximum number allowed 1000."
    );
    assert_eq!(
        refusal(&mut net, methods(10, &"m".repeat(2_000))),
        "Wasm module defined 20010 bytes of method names which exceeds the maximum number allowed \
         20000."
    );
    // Other exports are not limited.
    let exports: String = (0..20_000)
        .map(|i| format!("(export \"{i}\" (func 0))"))
        .collect();
    install(&mut net, wat(&format!("(module (func) {exports})")));
}

#[test]
fn tables_and_segments_stay_within_their_bounds() {
    let mut net = Net::new();
    let why = refusal(&mut net, wat("(module (table 1000001 funcref))"));
    assert_eq!(
        why,
        "Wasm module defined 1000001 table entries which exceeds the maximum number allowed \
         1000000."
    );
    let why = refusal(
        &mut net,
        wat("(module (table 1 funcref) (table 1 funcref))"),
    );
    assert_eq!(
        why,
        "Wasm module defined 2 tables which exceeds the maximum number allowed 1."
    );
    install(&mut net, wat("(module (table 1000000 funcref))"));
    let why = refusal(
        &mut net,
        wat("(module (table 1 funcref) (func) (elem (i32.const 1) 0))"),
    );
    assert!(why.contains("out of bounds table access"), "{why}");
    let why = refusal(
        &mut net,
        wat("(module (memory 1) (data (i32.const 65535) \"ab\"))"),
    );
    assert!(why.contains("out of bounds memory access"), "{why}");
    let why = refusal(&mut net, wat("(module (memory 1) (memory 1))"));
    assert!(why.contains("multiple memories"), "{why}");
    // A segment of many entries fits into a table of that size.
    let entries = "0 ".repeat(500_000);
    install(
        &mut net,
        wat(&format!(
            "(module (table 500000 funcref) (func) (elem (i32.const 0) {entries}))"
        )),
    );
    // Memory that is declared and not touched costs nothing.
    install(&mut net, wat("(module (memory 49152))"));
}

#[test]
fn a_module_that_is_hard_to_compile_is_compiled_or_refused() {
    let mut net = Net::new();
    let branches = |times: usize| {
        let targets = "0 ".repeat(times);
        let tables = format!("(block (br_table {targets} (i32.const 5)))").repeat(20);
        wat(&format!("(module (func {tables}))"))
    };
    install(&mut net, branches(65_000));
    let why = refusal(&mut net, branches(66_000));
    assert!(why.contains("`br_table` has 65999 targets"), "{why}");
    let depth = 50_000;
    let deep = format!(
        "(module (func {} {}))",
        "block ".repeat(depth),
        "end ".repeat(depth)
    );
    install(&mut net, wat(&deep));
    let locals = format!("(func (local {}))", "i64 ".repeat(50_000));
    let wasm = wat(&format!("(module {})", locals.repeat(101)));
    assert_eq!(
        refusal(&mut net, wasm),
        "Wasm module defined 5050000 locals which exceeds the maximum number allowed 5000000."
    );
    let grows = |functions: usize, times: usize| {
        let function = format!("(func memory.size {} drop)", "memory.grow ".repeat(times));
        wat(&format!(
            "(module (memory 1) {})",
            function.repeat(functions)
        ))
    };
    install(&mut net, grows(2, 20_000));
    let why = refusal(&mut net, gzip(&grows(11, 100_000), 1));
    assert!(
        why.starts_with("The module has 1100000 instructions that grow memory"),
        "{why}"
    );
}

#[test]
fn a_stack_of_large_frames_overflows_with_a_trap() {
    let mut net = Net::new();
    let locals = "i64 ".repeat(10_000);
    let id = install(
        &mut net,
        module(&format!(
            r#"(func $deep (local {locals}) (call $deep) (local.set 9999 (local.get 1)))
            (func (export "canister_update x") (call $deep))"#
        )),
    );
    let reject = net.update(id, "x", &[]).unwrap_err();
    let why = "Canister trapped: stack overflow.";
    assert!(reject.message.ends_with(why), "{}", reject.message);
}

/// `dfinity/ic` rs/embedders/src/wasm_utils/validation.rs, `wasmtime_validation_config`.
#[test]
fn proposals_that_the_platform_does_not_take_are_refused_by_name() {
    let mut net = Net::new();
    for (text, named) in [
        ("(module (type (struct)))", "the gc feature"),
        ("(module (func (param anyref)))", "gc types"),
        ("(module (type (sub (func))))", "gc proposal"),
        (
            "(module (rec (type (func)) (type (func))))",
            "`gc` proposal",
        ),
        (
            "(module (func (drop (ref.i31 (i32.const 1)))))",
            "gc support",
        ),
        (
            "(module (type $f (func)) (func (param (ref null $f))))",
            "function references",
        ),
        (
            "(module (type $f (func)) (func (call_ref $f (ref.null $f))))",
            "function references",
        ),
        ("(module (tag))", "exceptions proposal"),
        ("(module (func (try_table)))", "exceptions support"),
        (
            "(module (func (result exnref) (ref.null exn)))",
            "exception handling",
        ),
        (
            "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
            "constant expression required",
        ),
        ("(module (memory 1 1 shared))", "threads"),
        (
            "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
            "threads support",
        ),
        ("(module (memory 1 (pagesize 1)))", "custom page sizes"),
        (
            "(module (func (param v128) (result v128)
                (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))",
            "relaxed SIMD",
        ),
        (
            "(module (func (result i64 i64)
                (i64.mul_wide_u (i64.const 1) (i64.const 1))))",
            "wide arithmetic",
        ),
    ] {
        let why = refusal(&mut net, wat(text));
        assert!(why.contains(named), "{text}: {why}");
    }
}
