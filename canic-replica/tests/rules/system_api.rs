//! The system API `ic0`: its imports, the contexts that may call each function, and the refusals in
//! other contexts.

use candid::{Nat, Principal};
use canic_replica::{Kind, Outcome, Reject, RejectCode};
use ic_management_canister_types::{
    self as types,
    CanisterInstallMode::{Install, Reinstall, Upgrade},
};

use crate::{
    common::{Net, T, record},
    imports::{Import, imports, module},
};

/// A canister that replies to `yes` and rejects `no`, as query and as update.
const HELPER: &str = r#"
    (func (export "canister_query yes") (call $msg_reply))
    (func (export "canister_query no") (call $msg_reject (i32.const 0) (i32.const 0)))
"#;

/// A program that calls `$run` from every context but `start`. Tasks and pre_upgrade call it only
/// after `arm`, whose argument selects one of them by its length.
fn everywhere(run: &str, helper: Principal) -> String {
    let id: String = (helper.as_slice().iter())
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    format!(
        r#"(table 4 funcref) (elem (i32.const 1) $run_callback $nothing $boom)
        (data (i32.const 100) "{id}") (data (i32.const 200) "yesno")
        (global $armed (mut i32) (i32.const 0))
        (func $run {run})
        (func $run_callback (param i32) (call $run))
        (func $nothing (param i32))
        (func $boom (param i32) (unreachable))
        (func $call
            (param $name i32) (param $size i32)
            (param $reply i32) (param $reject i32) (param $cleanup i32)
            (call $call_new (i32.const 100) (i32.const 10) (local.get $name) (local.get $size)
                (local.get $reply) (i32.const 0) (local.get $reject) (i32.const 0))
            (call $call_on_cleanup (local.get $cleanup) (i32.const 0))
            (drop (call $call_perform)))
        (func $reply
            (call $call (i32.const 200) (i32.const 3) (i32.const 1) (i32.const 2) (i32.const 2)))
        (func $reject
            (call $call (i32.const 203) (i32.const 2) (i32.const 2) (i32.const 1) (i32.const 2)))
        (func $cleanup
            (call $call (i32.const 200) (i32.const 3) (i32.const 3) (i32.const 3) (i32.const 1)))
        (func $if_asked
            (if (i32.eq (call $msg_arg_data_size) (i32.const 1)) (then (call $run))))
        (func $if_armed (param i32)
            (if (i32.eq (global.get $armed) (local.get 0)) (then (call $run))))
        (func (export "canister_init") (call $if_asked))
        (func (export "canister_post_upgrade") (call $if_asked))
        (func (export "canister_pre_upgrade") (call $if_armed (i32.const 1)))
        (func (export "canister_heartbeat") (call $if_armed (i32.const 2)))
        (func (export "canister_global_timer") (call $if_armed (i32.const 3)))
        (func (export "canister_on_low_wasm_memory") (call $if_armed (i32.const 4)))
        (func (export "canister_inspect_message")
            (if (i32.eq (call $msg_method_name_size) (i32.const 9)) (then (call $run)))
            (call $accept_message))
        (func (export "canister_update arm")
            (global.set $armed (call $msg_arg_data_size))
            (if (i32.eq (global.get $armed) (i32.const 3)) (then
                (drop (call $global_timer_set (i64.const 1)))))
            (if (i32.eq (global.get $armed) (i32.const 4)) (then
                (drop (memory.grow (i32.const 2)))))
            (call $msg_reply))
        (func (export "canister_update inspected") (call $msg_reply))
        (func (export "canister_update U") (call $run))
        (func (export "canister_query Q") (call $run))
        (func (export "canister_composite_query CQ") (call $run))
        (func (export "canister_update Ry") (call $reply))
        (func (export "canister_update Rt") (call $reject))
        (func (export "canister_update C") (call $cleanup))
        (func (export "canister_composite_query CRy") (call $reply))
        (func (export "canister_composite_query CRt") (call $reject))
        (func (export "canister_composite_query CC") (call $cleanup))"#
    )
}

/// Whether the result is a refusal of the function in this mode; that must be in the platform's
/// words.
fn is_refused<R>(import: &Import, mode: &str, result: Result<R, Reject>) -> bool {
    let words = format!("\"ic0_{}\" cannot be executed in", import.name);
    match result {
        Err(reject) if reject.message.contains(&words) => {
            let violated = format!("Canister violated contract: {words} {mode} mode.");
            assert!(reject.message.contains(&violated), "{}", reject.message);
            let code = if reject.message.contains("also failed") {
                "IC0502"
            } else {
                "IC0504"
            };
            assert_eq!(reject.error_code, code, "{}", reject.message);
            true
        }
        _ => false,
    }
}

/// The result of the last system task of this kind.
fn last(net: &Net, kind: Kind) -> Result<(), Reject> {
    match net.outcomes(kind).pop() {
        Some(Outcome::Trap { message }) => {
            let (code, message) = message.split_once(": ").unwrap();
            Err(Reject {
                code: RejectCode::CanisterError,
                message: message.into(),
                error_code: code.into(),
                certified: true,
            })
        }
        Some(_) => Ok(()),
        None => panic!("no {kind:?} ran"),
    }
}

/// Calls the function in every context; returns each context, its mode, and whether the function is
/// allowed there.
fn call_everywhere(
    net: &mut Net,
    import: &Import,
    helper: Principal,
) -> Vec<(&'static str, String, bool)> {
    let wasm = module(&everywhere(&import.call(|_| 0), helper));
    let mut seen = Vec::new();
    let mut see = |context: &'static str, mode: &str, result: Result<Vec<u8>, Reject>| {
        seen.push((context, mode.to_owned(), !is_refused(import, mode, result)));
    };
    let done = |()| Vec::new();

    let id = net.create(100 * T);
    let start = module(&format!("(func $run {}) (start $run)", import.call(|_| 0)));
    let result = net.install_as(Install, id, start, &[]);
    see("s", "start", result.map(done));
    let result = net.install_as(Reinstall, id, wasm.clone(), &[1]);
    see("I", "init", result.map(done));
    net.install_as(Reinstall, id, wasm.clone(), &[]).unwrap();
    let result = net.install_as(Upgrade(None), id, wasm.clone(), &[1]);
    see("I", "init", result.map(done));

    see("U", "update", net.update(id, "U", &[]));
    see("RQ", "replicated query", net.update(id, "Q", &[]));
    see("NRQ", "non replicated query", net.query(id, "Q", &[]));
    see("CQ", "composite query", net.query(id, "CQ", &[]));
    see("Ry", "reply callback", net.update(id, "Ry", &[]));
    see("Rt", "reject callback", net.update(id, "Rt", &[]));
    see("C", "cleanup", net.update(id, "C", &[]));
    see("CRy", "composite reply callback", net.query(id, "CRy", &[]));
    see(
        "CRt",
        "composite reject callback",
        net.query(id, "CRt", &[]),
    );
    see("CC", "composite cleanup", net.query(id, "CC", &[]));
    see("F", "inspect message", net.update(id, "inspected", &[]));

    let settings = types::CanisterSettings {
        wasm_memory_limit: Some(Nat::from(3 * 65_536_u32)),
        wasm_memory_threshold: Some(Nat::from(65_536_u32)),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    for (which, mode, kind) in [
        (2, "heartbeat", Kind::Heartbeat),
        (3, "global timer", Kind::Timer),
        (4, "on low Wasm memory", Kind::LowMemory),
    ] {
        net.update(id, "arm", &vec![0; which]).unwrap();
        net.replica.tick();
        let result = last(net, kind);
        see("T", mode, result.map(done));
    }
    net.update(id, "arm", &[0]).unwrap();
    let result = net.install_as(Upgrade(None), id, wasm, &[]);
    see("G", "pre upgrade", result.map(done));
    net.manage::<()>("stop_canister", record(id)).unwrap();
    net.manage::<()>("delete_canister", record(id)).unwrap();
    seen
}

#[test]
fn each_function_is_allowed_where_the_specification_allows_it_and_nowhere_else() {
    let mut net = Net::new();
    let helper = net.create(100 * T);
    net.install_as(Install, helper, module(HELPER), &[])
        .unwrap();
    for import in imports() {
        for (context, mode, allowed) in call_everywhere(&mut net, &import, helper) {
            assert_eq!(
                allowed,
                import.is_allowed(context),
                "{} in {mode} mode",
                import.name
            );
        }
    }
}

#[test]
fn a_module_may_import_every_function() {
    let mut net = Net::new();
    assert!(imports().len() > 75);
    let id = net.create(T);
    net.install_as(Install, id, module(""), &[]).unwrap();
}

#[test]
fn an_unknown_import_is_named_when_the_install_fails() {
    let mut net = Net::new();
    let id = net.create(T);
    let mut refusal = |import: &str| {
        let wasm = wat::parse_str(format!("(module (import {import}))")).unwrap();
        let reject = net.install_as(Install, id, wasm, &[]).unwrap_err();
        assert_eq!(reject.error_code, "IC0505");
        reject.message
    };
    let unknown =
        "Module imports function 'tell_future' from 'ic0' that is not exported by the runtime.";
    let message = refusal(r#""ic0" "tell_future" (func)"#);
    assert!(message.contains(unknown), "{message}");
    let message = refusal(r#""env" "time" (func (result i64))"#);
    assert!(message.contains("'time' from 'env'"), "{message}");
    for other in ["(memory 1)", "(table 1 funcref)", "(global i32)"] {
        let message = refusal(&format!(r#""env" "thing" {other}"#));
        assert!(message.contains("'thing' from 'env'"), "{message}");
    }
}

#[test]
fn an_import_of_another_type_is_named_when_the_install_fails() {
    let mut net = Net::new();
    let id = net.create(T);
    for mut import in imports() {
        import.parameters.push("f64");
        let wasm = wat::parse_str(format!("(module {})", import.declaration())).unwrap();
        let reject = net.install_as(Install, id, wasm, &[]).unwrap_err();
        assert_eq!(reject.error_code, "IC0505");
        let named = format!(" for '{}', got [", import.name);
        assert!(
            reject
                .message
                .contains("Wasm module has an invalid function signature. Expected input params")
                && reject.message.contains(&named),
            "{}",
            reject.message
        );
    }
}
