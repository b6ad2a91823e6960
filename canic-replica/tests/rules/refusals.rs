//! Refusals of system calls: in the platform's words, and never in those of the host.

use candid::Principal;
use canic_replica::Kind;
use ic_management_canister_types::{self as types, CanisterInstallMode::Install};

use crate::{
    common::{Net, T, encode},
    imports::module,
};

/// Runs this code in an update method that does not reply. Returns the error code and the message,
/// with `ID` in place of the canister's id. `IC0506` means that the code did not fail.
fn refusal(net: &mut Net, code: &str) -> (String, String) {
    let wasm = module(&format!(
        r#"(data (i32.const 100) "\ff\fe") (data (i32.const 200) "name")
        (data (i32.const 300) "method")
        (func $new (call $call_new (i32.const 0) (i32.const 0) (i32.const 300) (i32.const 6)
            (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0)))
        (func (export "canister_inspect_message") {})
        (func (export "canister_update x") {code})"#,
        // One test calls `accept_message` itself.
        if code.contains("accept_message") {
            code
        } else {
            "(call $accept_message)"
        }
    ));
    let id = net.create(100 * T);
    net.install_as(Install, id, wasm, &[]).unwrap();
    let args = types::UpdateSettingsArgs {
        canister_id: id,
        settings: types::CanisterSettings {
            environment_variables: Some(vec![types::EnvironmentVariable {
                name: "name".into(),
                value: "value".into(),
            }]),
            ..Default::default()
        },
        sender_canister_version: None,
    };
    net.manage::<()>("update_settings", (args,)).unwrap();
    let reject = net.update(id, "x", &[1, 2, 3]).unwrap_err();
    let prefix = format!("Error from Canister {id}: ");
    let message = reject.message.replace(&prefix, "");
    (reject.error_code, message.replace(&id.to_text(), "ID"))
}

/// Checks cases of code and the contract that it violates.
fn assert_violations(cases: &[(&str, &str)]) {
    let mut net = Net::new();
    for (code, why) in cases {
        let refused = refusal(&mut net, code);
        let expected = format!("Canister violated contract: {why}.");
        assert_eq!(refused, ("IC0504".into(), expected), "{code}");
    }
}

#[test]
fn a_second_answer_is_refused() {
    assert_violations(&[
        (
            "(call $msg_reply) (call $msg_reply)",
            "ic0.msg_reply: the call is already replied",
        ),
        (
            "(call $msg_reply) (call $msg_reply_data_append (i32.const 0) (i32.const 0))",
            "ic0.msg_reply_data_append: the call is already replied.",
        ),
        (
            "(call $msg_reject (i32.const 0) (i32.const 0)) (call $msg_reply)",
            "ic0.msg_reply: the call is already replied",
        ),
        (
            "(call $msg_reply) (call $msg_reject (i32.const 0) (i32.const 0))",
            "ic0.msg_reject: the call is already replied",
        ),
        (
            "(call $accept_message) (call $accept_message)",
            "ic0.accept_message: the function was already called.",
        ),
    ]);
}

#[test]
fn cycles_are_minted_by_one_canister_only() {
    assert_violations(&[(
        "(call $mint_cycles128 (i64.const 0) (i64.const 1) (i32.const 0))",
        "ic0.mint_cycles128 cannot be executed on non Cycles Minting Canister: ID != \
         rkp4c-7iaaa-aaaaa-aaaca-cai",
    )]);
}

#[test]
fn answers_and_calls_are_limited_in_size() {
    assert_violations(&[
        (
            "(call $msg_reply_data_append (i32.const 0) (i32.const 2097153))",
            "ic0.msg_reply_data_append: application payload size (2097153) cannot be larger than \
             2097152.",
        ),
        (
            "(call $msg_reply_data_append (i32.const 0) (i32.const 1)) \
             (call $msg_reply_data_append (i32.const 0) (i32.const 2097152))",
            "ic0.msg_reply_data_append: application payload size (2097153) cannot be larger than \
             2097152.",
        ),
        (
            "(call $msg_reject (i32.const 0) (i32.const 2097153))",
            "ic0.msg_reject: application payload size (2097153) cannot be larger than \
             2097152.",
        ),
        (
            "(call $new) (call $call_data_append (i32.const 0) (i32.const 10485755))",
            "Request to aaaaa-aa:method has a payload size of 10485761, which exceeds the allowed \
             limit of 10485760.",
        ),
        (
            "(call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 20001) \
             (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))",
            "Size of method_name 20001 exceeds the allowed limit of 20000.",
        ),
        (
            "(call $certified_data_set (i32.const 0) (i32.const 33))",
            "ic0_certified_data_set failed because the passed data must be no larger than 32 \
             bytes. Found 33 bytes.",
        ),
    ]);
}

#[test]
fn a_query_may_reply_with_more_than_an_update() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let body = r#"
        (func $many
            (call $msg_reply_data_append (i32.const 0) (i32.const 3145728)) (call $msg_reply))
        (func $too_many (call $msg_reply_data_append (i32.const 0) (i32.const 3145729)))
        (func $grow (drop (memory.grow (i32.const 48))))
        (func (export "canister_query many") (call $grow) (call $many))
        (func (export "canister_query too_many") (call $grow) (call $too_many))"#;
    net.install_as(Install, id, module(body), &[]).unwrap();
    assert_eq!(net.query(id, "many", &[]).unwrap().len(), 3 << 20);
    let reject = net.query(id, "too_many", &[]).unwrap_err();
    let why = "application payload size (3145729) cannot be larger than 3145728.";
    assert!(reject.message.contains(why), "{}", reject.message);
    assert_eq!(
        net.update(id, "many", &[]).unwrap_err().error_code,
        "IC0504"
    );
}

#[test]
fn steps_of_a_call_need_a_call_under_construction() {
    let none = |function: &str| format!("{function} called when no call is under construction.");
    let steps = [
        (
            "(call $call_on_cleanup (i32.const 0) (i32.const 0))",
            none("ic0.call_on_cleanup"),
        ),
        (
            "(call $call_data_append (i32.const 0) (i32.const 0))",
            none("ic0.call_data_append"),
        ),
        (
            "(call $call_with_best_effort_response (i32.const 1))",
            none("ic0.call_with_best_effort_response"),
        ),
        (
            "(call $call_cycles_add (i64.const 1))",
            none("ic0_call_cycles_add"),
        ),
        (
            "(call $call_cycles_add128 (i64.const 0) (i64.const 1))",
            none("ic0_call_cycles_add128"),
        ),
        ("(drop (call $call_perform))", none("ic0.call_perform")),
    ];
    let mut net = Net::new();
    for (step, why) in steps {
        let expected = format!("Canister violated contract: {why}.");
        assert_eq!(refusal(&mut net, step).1, expected);
        // A performed call is not under construction any more.
        let late = format!("(call $new) (drop (call $call_perform)) {step}");
        assert_eq!(refusal(&mut net, &late).1, expected);
    }
    assert_violations(&[
        (
            "(call $new) (call $call_on_cleanup (i32.const 1) (i32.const 0)) \
             (call $call_on_cleanup (i32.const 1) (i32.const 0))",
            "ic0.call_on_cleanup can be called at most once between `ic0.call_new` and \
             `ic0.call_perform`",
        ),
        (
            "(call $new) (call $call_with_best_effort_response (i32.const 1)) \
             (call $call_with_best_effort_response (i32.const 1))",
            "ic0_call_with_best_effort_response failed because a timeout is already set.",
        ),
    ]);
}

#[test]
fn cycles_above_the_balance_cannot_be_attached() {
    let mut net = Net::new();
    let (code, message) = refusal(
        &mut net,
        "(call $new) (call $call_cycles_add128 (i64.const 1) (i64.const 0))",
    );
    assert_eq!(code, "IC0504");
    let why = "Canister ID is out of cycles";
    assert_eq!(message, why);
}

#[test]
fn cycles_beyond_64_bits_need_the_128_bit_calls() {
    let mut net = Net::new();
    let id = net.create(1 << 70);
    let body = r#"(func (export "canister_query narrow") (drop (call $canister_cycle_balance)))
        (func (export "canister_query wide") (call $canister_cycle_balance128 (i32.const 0))
            (call $msg_reply_data_append (i32.const 0) (i32.const 16)) (call $msg_reply))"#;
    net.install_as(Install, id, module(body), &[]).unwrap();
    let reject = net.query(id, "narrow", &[]).unwrap_err();
    assert_eq!(reject.error_code, "IC0502");
    let why = "Canister trapped: cycles amount exceeds 64-bit representation.";
    assert!(reject.message.ends_with(why), "{}", reject.message);
    let wide = net.query(id, "wide", &[]).unwrap();
    let balance = u128::from_le_bytes(wide.try_into().unwrap());
    assert_eq!(Some(balance), net.replica.cycles(id));
}

#[test]
fn reads_and_writes_out_of_bounds_are_refused() {
    assert_violations(&[
        (
            "(call $msg_arg_data_copy (i32.const 0) (i32.const 1) (i32.const 3))",
            "ic0.msg_arg_data_copy payload: src=1 + length=3 exceeds the slice size=3",
        ),
        (
            "(call $msg_arg_data_copy (i32.const 65534) (i32.const 0) (i32.const 3))",
            "ic0.msg_arg_data_copy heap: src=65534 + length=3 exceeds the slice size=65536",
        ),
        (
            "(call $msg_arg_data_copy (i32.const 0) (i32.const -1) (i32.const 2))",
            "ic0.msg_arg_data_copy payload: src=4294967295 + length=2 exceeds the slice size=3",
        ),
        (
            "(call $msg_caller_copy (i32.const -1) (i32.const 0) (i32.const -1))",
            "ic0.msg_caller_copy heap: src=4294967295 + length=4294967295 exceeds the slice \
             size=65536",
        ),
        (
            "(call $canister_self_copy (i32.const 0) (i32.const 0) (i32.const 11))",
            "ic0.canister_self_copy id: src=0 + length=11 exceeds the slice size=10",
        ),
        (
            "(call $msg_caller_info_data_copy (i32.const 0) (i32.const 0) (i32.const 1))",
            "ic0.msg_caller_info_data_copy data: src=0 + length=1 exceeds the slice size=0",
        ),
        (
            "(call $msg_reply_data_append (i32.const 65536) (i32.const 1))",
            "msg.reply: src=65536 + length=1 exceeds the slice size=65536",
        ),
        (
            "(call $new) (call $call_data_append (i32.const 65536) (i32.const 1))",
            "ic0.call_data_append: src=65536 + length=1 exceeds the slice size=65536",
        ),
        (
            "(call $call_new (i32.const 65530) (i32.const 10) (i32.const 0) (i32.const 0) \
             (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))",
            "ic0.call_new callee_src: src=65530 + length=10 exceeds the slice size=65536",
        ),
        (
            "(call $canister_cycle_balance128 (i32.const 65521))",
            "ic0_canister_cycle_balance128 failed because dst + size is out of bounds.Found dst = \
             65521 and size = 16 while must be <= 65536",
        ),
    ]);
}

#[test]
fn invalid_text_and_invalid_principals_are_refused() {
    assert_violations(&[
        (
            "(call $msg_reject (i32.const 100) (i32.const 2))",
            "ic0.msg_reject: invalid UTF-8 string provided",
        ),
        (
            "(drop (call $env_var_name_exists (i32.const 100) (i32.const 2)))",
            "ic0.env_var_name_exists: Variable name is not a valid UTF-8 string.",
        ),
        (
            "(drop (call $cost_sign_with_ecdsa (i32.const 100) (i32.const 2) (i32.const 0) \
             (i32.const 0)))",
            "Failed to decode key name \u{fffd}\u{fffd}",
        ),
    ]);
    let mut net = Net::new();
    let long = "(i32.const 0) (i32.const 30)";
    for code in [
        format!("(drop (call $is_controller {long}))"),
        format!(
            "(call $call_new {long} (i32.const 0) (i32.const 0) \
             (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0))"
        ),
    ] {
        let expected = "Canister provided invalid principal id.";
        assert_eq!(refusal(&mut net, &code), ("IC0504".into(), expected.into()));
    }
}

#[test]
fn environment_variables_are_found_by_name_and_index_and_missing_ones_refused() {
    assert_violations(&[
        (
            "(drop (call $env_var_name_exists (i32.const 0) (i32.const 129)))",
            "ic0.env_var_name_exists: Variable name is too large.",
        ),
        (
            "(call $env_var_value_copy (i32.const 200) (i32.const 4) (i32.const 0) (i32.const 0) \
             (i32.const 6))",
            "ic0.env_var_value_copy value: src=0 + length=6 exceeds the slice size=5",
        ),
        (
            "(call $env_var_name_copy (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1))",
            "ic0.env_var_name_copy name: src=4 + length=1 exceeds the slice size=4",
        ),
    ]);
    let mut net = Net::new();
    let index =
        "Environment variable index 1 is out of bounds. The number of environment variables is 1.";
    let missing = "Environment variable method not found.";
    for (code, why) in [
        ("(drop (call $env_var_name_size (i32.const 1)))", index),
        (
            "(call $env_var_name_copy (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0))",
            index,
        ),
        (
            "(drop (call $env_var_value_size (i32.const 300) (i32.const 6)))",
            missing,
        ),
        (
            "(call $env_var_value_copy (i32.const 300) (i32.const 6) (i32.const 0) (i32.const 0) \
             (i32.const 0))",
            missing,
        ),
    ] {
        assert_eq!(refusal(&mut net, code), ("IC0504".into(), why.into()));
    }
    // The variable of the canister is found.
    let found = "(if (i32.ne (i32.const 41) (i32.add
            (i32.mul (call $env_var_value_size (i32.const 200) (i32.const 4)) (i32.const 7))
            (i32.add (call $env_var_name_size (i32.const 0))
                (i32.add (call $env_var_count)
                    (call $env_var_name_exists (i32.const 200) (i32.const 4))))))
        (then (unreachable)))";
    let (code, _) = refusal(&mut net, found);
    assert_eq!(code, "IC0506");
}

#[test]
fn unknown_counters_and_missing_certificates_are_refused() {
    assert_violations(&[
        (
            "(drop (call $performance_counter (i32.const 2)))",
            "Error getting performance counter type 2",
        ),
        (
            "(drop (call $data_certificate_size))",
            "\"ic0_data_certificate_size\" cannot be executed in update mode",
        ),
    ]);
}

#[test]
fn a_subnet_without_keys_has_no_price_for_signatures() {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let cost = |function: &str, algorithm: u32| {
        format!(
            "(i32.store8 (i32.const 0) (call ${function} (i32.const 200) (i32.const 4)
                (i32.const {algorithm}) (i32.const 32)))
            (call $msg_reply_data_append (i32.const 0) (i32.const 1))"
        )
    };
    let costs: String = [
        cost("cost_sign_with_ecdsa", 0),
        cost("cost_sign_with_ecdsa", 1),
        cost("cost_sign_with_ecdsa", 2),
        cost("cost_sign_with_schnorr", 0),
        cost("cost_sign_with_schnorr", 1),
        cost("cost_sign_with_schnorr", 2),
        cost("cost_vetkd_derive_key", 0),
        cost("cost_vetkd_derive_key", 1),
    ]
    .concat();
    // The 16 bytes for the price at address 32 are not written.
    let body = format!(
        r#"(data (i32.const 32) "0123456789abcdef") (data (i32.const 200) "key1")
        (func (export "canister_query x") {costs}
            (call $msg_reply_data_append (i32.const 32) (i32.const 16)) (call $msg_reply))"#
    );
    net.install_as(Install, id, module(&body), &[]).unwrap();
    let reply = net.query(id, "x", &[]).unwrap();
    assert_eq!(reply[..8], [2, 2, 1, 2, 2, 1, 2, 1]);
    assert_eq!(&reply[8..], b"0123456789abcdef");
}

#[test]
fn stable_memory_is_bounded() {
    let mut net = Net::new();
    for (code, why) in [
        (
            "(call $stable64_read (i64.const 0) (i64.const 0) (i64.const 1))",
            "stable memory out of bounds",
        ),
        (
            "(call $stable64_write (i64.const -1) (i64.const 0) (i64.const 2))",
            "stable memory out of bounds",
        ),
        (
            "(drop (call $stable64_grow (i64.const 1))) \
             (call $stable64_write (i64.const 0) (i64.const 65536) (i64.const 1))",
            "heap out of bounds",
        ),
        (
            "(drop (call $stable64_grow (i64.const 1))) \
             (call $stable64_read (i64.const -1) (i64.const 0) (i64.const 2))",
            "heap out of bounds",
        ),
        (
            "(drop (call $stable64_grow (i64.const 65537))) (drop (call $stable_size))",
            "32 bit stable memory api used on a memory larger than 4GB",
        ),
        (
            "(drop (call $stable64_grow (i64.const 65537))) \
             (drop (call $stable_grow (i32.const 0)))",
            "32 bit stable memory api used on a memory larger than 4GB",
        ),
        (
            "(drop (call $stable64_grow (i64.const 65537))) \
             (call $stable_read (i32.const 0) (i32.const 0) (i32.const 0))",
            "32 bit stable memory api used on a memory larger than 4GB",
        ),
    ] {
        let expected = format!("Canister trapped: {why}.");
        assert_eq!(
            refusal(&mut net, code),
            ("IC0502".into(), expected),
            "{code}"
        );
    }
    // A memory that cannot grow returns -1 and does not trap.
    let (code, _) = refusal(
        &mut net,
        "(if (i64.ne (call $stable64_grow (i64.const 8192001)) (i64.const -1)) (then (unreachable)))
        (if (i64.ne (call $stable64_grow (i64.const -1)) (i64.const -1)) (then (unreachable)))
        (if (i32.ne (call $stable_grow (i32.const 65537)) (i32.const -1)) (then (unreachable)))
        (if (i32.ne (call $stable_grow (i32.const 65536)) (i32.const 0)) (then (unreachable)))
        (if (i32.ne (call $stable_grow (i32.const 1)) (i32.const -1)) (then (unreachable)))",
    );
    assert_eq!(code, "IC0506");
}

#[test]
fn trap_messages_are_cut_and_made_valid_text() {
    let mut net = Net::new();
    let mut text = |code: &str| {
        let (code, message) = refusal(&mut net, code);
        assert_eq!(code, "IC0503");
        let message = message
            .strip_prefix("Canister called `ic0.trap` with message: '")
            .unwrap();
        message.strip_suffix("'.").unwrap().to_owned()
    };
    assert_eq!(text("(call $trap (i32.const 300) (i32.const 6))"), "method");
    assert_eq!(text("(call $trap (i32.const 0) (i32.const 0))"), "");
    assert_eq!(
        text("(call $trap (i32.const 99) (i32.const 3))"),
        "\0\u{fffd}\u{fffd}"
    );
    assert_eq!(
        text("(call $trap (i32.const 65535) (i32.const 2))"),
        "(trap message out of memory bounds)"
    );
    assert_eq!(
        text("(call $trap (i32.const 400) (i32.const 65000))").len(),
        32 * 1024
    );
}

#[test]
fn printing_never_traps() {
    let mut net = Net::new();
    let (code, _) = refusal(
        &mut net,
        "(call $debug_print (i32.const 65535) (i32.const 2))",
    );
    assert_eq!(code, "IC0506");
    let event = net.events(Kind::Ingress).pop().unwrap();
    let args = types::CanisterIdRecord {
        canister_id: event.canister,
    };
    let management = Principal::management_canister();
    let args = encode(args);
    let reply = net.query(management, "fetch_canister_logs", &args).unwrap();
    let (logs,) = candid::decode_args::<(types::FetchCanisterLogsResult,)>(&reply).unwrap();
    let line = logs.canister_log_records.last().unwrap().content.clone();
    assert_eq!(line, b"(debug_print message out of memory bounds)");
}

#[test]
fn system_calls_that_copy_need_a_memory() {
    let mut net = Net::new();
    let id = net.create(T);
    let wasm = wat::parse_str(
        r#"(module (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
        (func (export "canister_update x")
            (call $copy (i32.const 0) (i32.const 0) (i32.const 0))))"#,
    );
    net.install_as(Install, id, wasm.unwrap(), &[]).unwrap();
    let message = net.update(id, "x", &[]).unwrap_err().message;
    let why = "Canister violated contract: WebAssembly module must define memory.";
    assert!(message.ends_with(why), "{message}");
}

#[test]
fn a_callback_must_be_a_function_of_one_i32() {
    let mut net = Net::new();
    let call = |function: u32| {
        format!(
            r#"(table 2 funcref) (elem (i32.const 1) $wrong) (func $wrong)
            (func (export "canister_query yes") (call $msg_reply))
            (data (i32.const 300) "yes")
            (func (export "canister_update x")
                (call $canister_self_copy (i32.const 0) (i32.const 0) (i32.const 10))
                (call $call_new (i32.const 0) (i32.const 10) (i32.const 300) (i32.const 3)
                    (i32.const {function}) (i32.const 0) (i32.const {function}) (i32.const 0))
                (drop (call $call_perform)))"#
        )
    };
    for (function, code, why) in [
        (
            1,
            "IC0504",
            "Canister violated contract: function invocation does not match its signature.",
        ),
        (
            0,
            "IC0504",
            "Canister violated contract: unexpected null function reference.",
        ),
        (
            7,
            "IC0513",
            "Canister requested to invoke a non-existent Wasm function 7 from table 0.",
        ),
    ] {
        let id = net.create(100 * T);
        net.install_as(Install, id, module(&call(function)), &[])
            .unwrap();
        let reject = net.update(id, "x", &[]).unwrap_err();
        assert!(reject.message.ends_with(why), "{}", reject.message);
        assert_eq!(reject.error_code, code);
    }
}

#[test]
fn amounts_of_cycles_are_cut_to_the_available_ones() {
    let mut net = Net::new();
    // Accepting and burning the greatest amounts takes the available cycles, and never traps.
    let (code, _) = refusal(
        &mut net,
        "(call $msg_cycles_accept128 (i64.const -1) (i64.const -1) (i32.const 0))
        (if (i64.ne (i64.load (i32.const 0)) (i64.const 0)) (then (unreachable)))
        (if (i64.ne (call $msg_cycles_accept (i64.const -1)) (i64.const 0)) (then (unreachable)))
        (call $cycles_burn128 (i64.const -1) (i64.const -1) (i32.const 0))
        (if (i64.eqz (i64.load (i32.const 0))) (then (unreachable)))
        (call $cost_call (i64.const -1) (i64.const -1) (i32.const 0))",
    );
    assert_eq!(code, "IC0506");
    net.check_accounts();
}
