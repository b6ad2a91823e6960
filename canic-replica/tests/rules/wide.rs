//! The 64-bit form of the system API, compared function by function with the 32-bit form.
//!
//! One program is built twice, with 32-bit and with 64-bit pointers. The pointers of the 64-bit
//! program lie above 4 GiB. Both run on clones of one instance, and must have the same outcome.

use candid::{CandidType, Principal};
use canic_replica::{CallerInfo, Reject};
use ic_management_canister_types::{self as types, CanisterInstallMode::Install};

use crate::{
    certification::certified_data,
    common::{NO_ARGS, Net, T, encode},
    imports::{Import, imports, narrow_imports, wide_imports},
};

/// The width of the pointers of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Narrow,
    Wide,
}

impl Width {
    fn pointer(self) -> &'static str {
        match self {
            Self::Narrow => "i32",
            Self::Wide => "i64",
        }
    }

    /// The address that the program's addresses count from.
    fn base(self) -> u64 {
        match self {
            Self::Narrow => 0,
            Self::Wide => 1 << 32,
        }
    }

    /// A module from a text in which `ptr` is the type of pointers, `#5` the size 5, and `@5` the
    /// fifth address.
    fn module(self, text: &str) -> Vec<u8> {
        let imports = match self {
            Self::Narrow => imports(),
            Self::Wide => wide_imports(),
        };
        let imports: String = imports.iter().map(Import::declaration).collect();
        // Both forms have the same number of instructions.
        let (memory, extend) = match self {
            Self::Narrow => ("(memory 1)", "i64.extend_i32_u"),
            Self::Wide => ("(memory i64 65537)", "nop"),
        };
        let widen = format!("(func $widen (param ptr) (result i64) (local.get 0) {extend})");
        let text = self.fill(&format!("{widen} {text}"));
        wat::parse_str(format!("(module {imports} {memory} {text})")).unwrap()
    }

    fn fill(self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['@', '#']) {
            let start = if rest.as_bytes()[at] == b'@' {
                self.base()
            } else {
                0
            };
            let digits = rest[at + 1..]
                .bytes()
                .take_while(u8::is_ascii_digit)
                .count();
            let number: u64 = rest[at + 1..][..digits].parse().unwrap();
            filled += &format!("{}(ptr.const {})", &rest[..at], start + number);
            rest = &rest[at + 1 + digits..];
        }
        (filled + rest).replace("ptr", self.pointer())
    }
}

/// A program that runs `run` in a few contexts. `$report` traps with a message that shows a number
/// and the 64 bytes at address 0.
fn program(run: &str) -> String {
    format!(
        r#"(table 8 funcref)
        (elem (i32.const 1) $run_callback $nothing $forward $conversed $boom $cleaned)
        (data $words "hello               NAME      echo      run       no")
        (start $start)
        (func $start (memory.init $words @200 (i32.const 0) (i32.const 52)))
        (func $run {run})
        (func $run_callback (param ptr) (call $run))
        (func $nothing (param ptr))
        (func $boom (param ptr) (unreachable))
        (func $report (param $number i64) (local $i ptr)
            (i64.store @64 (local.get $number))
            (loop $next
                (call $digit (local.get $i) (i32.const 4) #0)
                (call $digit (local.get $i) (i32.const 0) #1)
                (local.set $i (ptr.add (local.get $i) #1))
                (br_if $next (ptr.lt_u (local.get $i) #72)))
            (call $trap @2000 #144))
        (func $digit (param $i ptr) (param $shift i32) (param $half ptr) (local $digit i32)
            (local.set $digit (i32.and (i32.const 15)
                (i32.shr_u (i32.load8_u (ptr.add @0 (local.get $i))) (local.get $shift))))
            (i32.store8
                (ptr.add (ptr.add @2000 (local.get $half)) (ptr.mul (local.get $i) #2))
                (i32.add (local.get $digit)
                    (select (i32.const 48) (i32.const 87)
                        (i32.lt_u (local.get $digit) (i32.const 10))))))
        (func $call_self (param $name ptr) (param $size ptr) (param $reply ptr) (param $reject ptr)
            (call $canister_self_copy @300 #0 #10)
            (call $call_new @300 #10 (local.get $name) (local.get $size)
                (local.get $reply) #0 (local.get $reject) #0)
            (call $call_cycles_add128 (i64.const 0) (i64.const 777))
            (call $call_with_best_effort_response (i32.const 60))
            (drop (call $call_perform)))
        (func $forward (param ptr)
            (call $msg_reject_msg_copy @4000 #0 (call $msg_reject_msg_size))
            (call $msg_reject @4000 (call $msg_reject_msg_size)))
        (func $conversed (param $environment ptr)
            (i64.store @8 (call $widen (local.get $environment)))
            (call $msg_arg_data_copy @16 #0 (call $msg_arg_data_size))
            (call $report (call $widen (call $msg_arg_data_size))))
        (func $cleaned (param $environment ptr)
            (call $debug_print @200 (local.get $environment)))
        (func (export "canister_inspect_message")
            (if (i64.eq (call $widen (call $msg_method_name_size)) (i64.const 9))
                (then (call $run)) (else (call $accept_message))))
        (func (export "canister_update inspected") (call $msg_reply))
        (func (export "canister_update run") (call $run))
        (func (export "canister_query query") (call $run))
        (func (export "canister_update called") (call $call_self @240 #3 #2 #3))
        (func (export "canister_update reply") (call $call_self @230 #4 #1 #2))
        (func (export "canister_update reject") (call $call_self @250 #2 #2 #1))
        (func (export "canister_update echo")
            (call $msg_arg_data_copy @4000 #0 (call $msg_arg_data_size))
            (call $msg_reply_data_append @4000 (call $msg_arg_data_size)) (call $msg_reply))
        (func (export "canister_update no") (call $msg_reject @200 #5))
        (func (export "canister_query certificate")
            (call $msg_reply_data_append @4000 (call $certificate)) (call $msg_reply))
        (func $certificate (result ptr)
            (call $data_certificate_copy @4000 #0 (call $data_certificate_size))
            (call $data_certificate_size))"#
    )
}

/// A call of the canister itself, with all that a call can have. The callback reports.
const CONVERSATION: &str = "
    (call $canister_self_copy @300 #0 #10)
    (call $call_new @300 #10 @230 #4 #4 #70 #4 #71)
    (call $call_on_cleanup #6 #5)
    (call $call_data_append @200 #5)
    (call $call_cycles_add128 (i64.const 0) (i64.const 5))
    (call $call_with_best_effort_response (i32.const 9))
    (if (call $call_perform) (then (unreachable)))";

/// The same call, whose callback traps, so that the cleanup runs.
const CLEANUP: &str = "
    (call $canister_self_copy @300 #0 #10)
    (call $call_new @300 #10 @230 #4 #5 #70 #5 #71)
    (call $call_on_cleanup #6 #5)
    (if (call $call_perform) (then (unreachable)))";

const REPLY: &str = "(call $msg_reply)";

/// Where a function runs, and code that calls it.
fn case(name: &str) -> (&'static str, String) {
    let copy = |size: &str| format!("(call ${name} @3 #1 {size}) (call $report (i64.const 0))");
    let length = || format!("(call $report (call $widen (call ${name})))");
    let i64 = || format!("(call $report (call ${name}))");
    let i32 = || format!("(call $report (i64.extend_i32_u (call ${name})))");
    let cycles = || format!("(call ${name} @24) (call $report (i64.const 0))");
    let cost = |sizes: &str| format!("(call ${name} {sizes} @24) (call $report (i64.const 0))");
    let signature =
        || format!("(call $report (i64.extend_i32_u (call ${name} @220 #4 (i32.const 0) @24)))");
    match name {
        "msg_arg_data_size"
        | "msg_caller_size"
        | "msg_caller_info_data_size"
        | "msg_caller_info_signer_size"
        | "canister_self_size"
        | "subnet_self_size"
        | "root_key_size"
        | "env_var_count" => ("run", length()),
        "msg_arg_data_copy" | "msg_caller_info_data_copy" => ("run", copy("#5")),
        "msg_caller_copy"
        | "msg_caller_info_signer_copy"
        | "canister_self_copy"
        | "subnet_self_copy"
        | "root_key_copy" => ("run", copy("#9")),
        "msg_reject_msg_size" => ("reject", length()),
        "msg_reject_msg_copy" => ("reject", copy("#4")),
        "msg_reject_code" => ("reject", i32()),
        "msg_deadline" => ("called", i64()),
        "msg_reply_data_append" => ("run", format!("(call ${name} @200 #5) {REPLY}")),
        "msg_reply" => ("run", REPLY.into()),
        "msg_reject" => ("run", "(call $msg_reject @200 #5)".into()),
        "msg_cycles_available128" => ("called", cycles()),
        "msg_cycles_refunded128" => ("reply", cycles()),
        "msg_cycles_accept128" => ("called", cost("(i64.const 0) (i64.const 55)")),
        "cycles_burn128" => ("run", cost("(i64.const 0) (i64.const 1000)")),
        "mint_cycles128" => ("run", cost("(i64.const 0) (i64.const 1000)")),
        "canister_cycle_balance128"
        | "canister_liquid_cycle_balance128"
        | "cost_create_canister" => ("run", cycles()),
        "canister_status" | "subnet_self_node_count" | "in_replicated_execution" => ("run", i32()),
        "data_certificate_present" => ("query", i32()),
        "canister_version" | "time" | "stable64_size" => ("run", i64()),
        "msg_method_name_size" => ("inspected", length()),
        "msg_method_name_copy" => ("inspected", copy("#5")),
        "accept_message" => ("inspected", "(call $accept_message)".into()),
        "call_new"
        | "call_data_append"
        | "call_with_best_effort_response"
        | "call_cycles_add128"
        | "call_perform" => ("run", CONVERSATION.into()),
        "call_on_cleanup" => ("run", CLEANUP.into()),
        "stable64_grow" => (
            "run",
            "(drop (call $stable64_grow (i64.const 3)))
            (call $report (call $stable64_grow (i64.const 1)))"
                .into(),
        ),
        "stable64_write" | "stable64_read" => (
            "run",
            "(drop (call $stable64_grow (i64.const 1)))
            (call $stable64_write (i64.const 100) (call $widen @200) (i64.const 5))
            (call $stable64_read (call $widen @7) (i64.const 98) (i64.const 7))
            (call $report (i64.const 0))"
                .into(),
        ),
        "certified_data_set" => ("run", format!("(call ${name} @200 #5) {REPLY}")),
        "data_certificate_size" => ("query", length()),
        "data_certificate_copy" => ("query", copy("#9")),
        "global_timer_set" => (
            "run",
            "(drop (call $global_timer_set (i64.const 9)))
            (call $report (call $global_timer_set (i64.const 10)))"
                .into(),
        ),
        // Loads and stores of a 64-bit memory take more instructions.
        "performance_counter" => (
            "run",
            "(call $report (i64.extend_i32_u
                (i64.lt_u (i64.const 200) (call $performance_counter (i32.const 0)))))"
                .into(),
        ),
        "is_controller" => (
            "run",
            "(call $msg_caller_copy @400 #0 (call $msg_caller_size))
            (call $report (i64.extend_i32_u (call $is_controller @400 (call $msg_caller_size))))"
                .into(),
        ),
        "cost_call" | "cost_http_request" => ("run", cost("(i64.const 7) (i64.const 1000)")),
        "cost_http_request_v2" => (
            "run",
            "(call $msg_arg_data_copy @4000 #0 (call $msg_arg_data_size))
            (call $cost_http_request_v2 @4000 (call $msg_arg_data_size) @24)
            (call $report (i64.const 0))"
                .into(),
        ),
        "cost_sign_with_ecdsa" | "cost_sign_with_schnorr" | "cost_vetkd_derive_key" => {
            ("run", signature())
        }
        "env_var_name_size" => (
            "run",
            format!("(call $report (call $widen (call ${name} #0)))"),
        ),
        "env_var_name_copy" => (
            "run",
            "(call $env_var_name_copy #0 @3 #1 #3) (call $report (i64.const 0))".into(),
        ),
        "env_var_name_exists" => (
            "run",
            format!("(call $report (i64.extend_i32_u (call ${name} @220 #4)))"),
        ),
        "env_var_value_size" => (
            "run",
            format!("(call $report (call $widen (call ${name} @220 #4)))"),
        ),
        "env_var_value_copy" => (
            "run",
            "(call $env_var_value_copy @220 #4 @3 #1 #3) (call $report (i64.const 0))".into(),
        ),
        "debug_print" => ("run", format!("(call ${name} @200 #5) {REPLY}")),
        "trap" => ("run", "(call $trap @200 #5)".into()),
        _ => panic!("{name} has no case"),
    }
}

/// The argument of all messages: a description of an outcall, for its price.
#[derive(CandidType)]
struct Usage {
    request_bytes: u64,
    http_roundtrip_time_ms: u64,
    raw_response_bytes: u64,
    transformed_response_bytes: u64,
    transform_instructions: u64,
}

/// What a caller and the canister's controllers see of a message.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    answer: Result<Vec<u8>, Reject>,
    certified_data: Vec<u8>,
    log: Vec<Vec<u8>>,
}

fn outcome(mut net: Net, id: Principal, width: Width, name: &str) -> Outcome {
    let (method, run) = case(name);
    let module = width.module(&program(&run));
    net.install_as(Install, id, module, NO_ARGS).unwrap();
    // The installation of the 64-bit form costs more, and a message of it prepays more.
    const PREPAID_MORE: u128 = 40_000_000_000;
    let spent = 200 * T - net.replica.cycles(id).unwrap();
    let spent = match width {
        Width::Narrow => spent,
        Width::Wide => spent + PREPAID_MORE,
    };
    net.replica.add_cycles(id, spent).unwrap();
    let usage = Usage {
        request_bytes: 19,
        http_roundtrip_time_ms: 1,
        raw_response_bytes: 503,
        transformed_response_bytes: 1_025,
        transform_instructions: 7,
    };
    let mut message = net.ingress(id, method, &encode(usage));
    message.caller_info = Some(CallerInfo {
        data: b"information".to_vec(),
        signer: id,
    });
    let answer = match method {
        "query" => net.replica.query(message),
        _ => net.send(message),
    };
    let args = types::FetchCanisterLogsArgs {
        canister_id: id,
        filter: None,
    };
    let management = Principal::management_canister();
    let logs = net.query(management, "fetch_canister_logs", &encode(args));
    let (logs,): (types::FetchCanisterLogsResult,) = candid::decode_args(&logs.unwrap()).unwrap();
    let lines = logs.canister_log_records.into_iter();
    let certified_data = match name {
        "certified_data_set" => certified_data(&mut net, id),
        _ => Vec::new(),
    };
    Outcome {
        answer,
        certified_data,
        log: lines.map(|line| line.content).collect(),
    }
}

/// An instance with an empty canister, which has an environment variable and does not freeze.
fn start() -> (Net, Principal) {
    let mut net = Net::new();
    let id = net.create(100 * T);
    let settings = types::CanisterSettings {
        freezing_threshold: Some(0_u8.into()),
        wasm_memory_limit: Some(0_u8.into()),
        environment_variables: Some(vec![types::EnvironmentVariable {
            name: "NAME".into(),
            value: "value".into(),
        }]),
        ..Default::default()
    };
    net.update_settings(id, settings).unwrap();
    (net, id)
}

/// Interface specification 0.66, section "Overview of imports"; `dfinity/ic`
/// rs/embedders/src/wasmtime_embedder/linker.rs.
#[test]
fn each_function_does_in_its_64_bit_form_what_it_does_in_its_32_bit_form() {
    let (net, id) = start();
    let imports = wide_imports();
    assert!(imports.len() > 65);
    for Import { name, .. } in imports {
        if name == "cost_call" {
            // The price of a callback depends on the module: see `wasm64`.
            continue;
        }
        let narrow = outcome(net.clone(), id, Width::Narrow, name);
        let wide = outcome(net.clone(), id, Width::Wide, name);
        assert_eq!(narrow, wide, "{name}");
        if let Err(reject) = &wide.answer {
            let words = match name {
                "mint_cycles128" => "non Cycles Minting Canister",
                "call_on_cleanup" => "unreachable",
                "msg_reject" => "hello",
                _ => "Canister called `ic0.trap` with message: '",
            };
            assert!(reject.message.contains(words), "{name}: {reject:?}");
        }
        match name {
            "debug_print" => assert_eq!(wide.log, [b"hello"]),
            "call_on_cleanup" => assert_eq!(wide.log, [&b"[TRAP]: unreachable"[..], b"hello"]),
            "certified_data_set" => assert_eq!(wide.certified_data, b"hello"),
            _ => {}
        }
    }
}

/// Interface specification 0.66, section "Overview of imports": the functions that are only
/// available if `I = i32`.
#[test]
fn a_module_with_a_64_bit_memory_cannot_import_the_narrow_forms() {
    let (mut net, id) = start();
    for import in narrow_imports() {
        let text = format!("(module {} (memory i64 1))", import.declaration());
        let wasm = wat::parse_str(text).unwrap();
        let reject = net.install_as(Install, id, wasm, &[]).unwrap_err();
        let why = format!(
            "Wasm module has an invalid import section. Module imports function '{}' from 'ic0' \
             that is not exported by the runtime.",
            import.name
        );
        assert!(reject.message.ends_with(&why), "{}", reject.message);
        assert_eq!(reject.error_code, "IC0505");
    }
}

/// `dfinity/ic` rs/embedders/src/wasm_utils/validation.rs, `validate_function_signature`.
#[test]
fn an_import_with_pointers_of_the_other_width_is_refused_with_both_types() {
    let (mut net, id) = start();
    let common = wide_imports();
    let names: Vec<_> = common.iter().map(|import| import.name).collect();
    let mut narrow = imports();
    narrow.retain(|import| names.contains(&import.name));
    let mut refused = 0;
    for (narrow, wide) in narrow.iter().zip(&common) {
        assert_eq!(narrow.name, wide.name);
        for (import, memory) in [(narrow, "(memory i64 1)"), (wide, "(memory 1)"), (wide, "")] {
            let text = format!("(module {} {memory})", import.declaration());
            let wasm = wat::parse_str(text).unwrap();
            let installed = net.clone().install_as(Install, id, wasm, &[]);
            let is_same = narrow.parameters == wide.parameters && narrow.result == wide.result;
            assert_eq!(installed.is_ok(), is_same, "{}", narrow.name);
            refused += u32::from(!is_same);
        }
    }
    assert!(refused > 120, "{refused}");
    let mut refusal = |text: &str| {
        let wasm = wat::parse_str(text).unwrap();
        net.install_as(Install, id, wasm, &[]).unwrap_err().message
    };
    let message =
        refusal(r#"(module (import "ic0" "debug_print" (func (param i32 i32))) (memory i64 1))"#);
    assert!(
        message.ends_with(
            "Wasm module has an invalid function signature. Expected input params [I64, I64] for \
             'debug_print', got [I32, I32]."
        ),
        "{message}"
    );
    let message = refusal(
        r#"(module (import "ic0" "msg_arg_data_size" (func (result i32))) (memory i64 1))"#,
    );
    assert!(
        message.ends_with(
            "Wasm module has an invalid function signature. Expected return type [I64] for \
             'msg_arg_data_size', got [I32]."
        ),
        "{message}"
    );
}
