//! Composite queries: their calls to themselves and to the management canister, and the limits of
//! their call graph.
//!
//! The rules are those of the interface specification 0.66 ("Query call"), and of `dfinity/ic`,
//! `rs/execution_environment/src/query_handler/query_call_graph.rs`, `query_context.rs` and
//! `subnet_query.rs`.

use candid::Principal;
use canic_replica::{Kind, SubnetKind};
use ic_management_canister_types as types;

use crate::common::{NO_ARGS, Net, canister, encode, record};

/// The argument of an [`ASKER`]: the callee, the method, and the payload.
fn ask(callee: Principal, method: &str, payload: &[u8]) -> Vec<u8> {
    let mut id = callee.as_slice().to_vec();
    id.resize(10, 0);
    let sizes = [callee.as_slice().len() as u8, method.len() as u8];
    [&sizes, id.as_slice(), method.as_bytes(), payload].concat()
}

/// A program whose composite query `ask` calls a method as its argument says (see [`ask`]). It
/// answers 0 and the reply, or the code and the message of the reject.
///
/// `ask_later` calls itself first, and asks from the callback. `down` calls itself as often as the
/// byte of its argument says.
const ASKER: &str = r#"
    (table 6 funcref)
    (elem (i32.const 1) $on_reply $on_reject $then_ask $trap_at_once)
    (data (i32.const 0) "down") (data (i32.const 8) "now") (data (i32.const 16) "one")
    (data (i32.const 24) "burn")
    (func $on_reply (param i32)
        (i32.store8 (i32.const 20000) (i32.const 0))
        (call $msg_arg_data_copy (i32.const 20001) (i32.const 0) (call $msg_arg_data_size))
        (call $answer (i32.const 20000) (i32.add (i32.const 1) (call $msg_arg_data_size))))
    (func $on_reject (param i32)
        (i32.store8 (i32.const 20000) (call $msg_reject_code))
        (call $msg_reject_msg_copy (i32.const 20001) (i32.const 0) (call $msg_reject_msg_size))
        (call $answer (i32.const 20000) (i32.add (i32.const 1) (call $msg_reject_msg_size))))
    (func $trap_at_once (param i32) (unreachable))
    (func $self (param $name i32) (param $size i32) (param $reply i32) (param $reject i32)
        (call $canister_self_copy (i32.const 500) (i32.const 0) (i32.const 10))
        (call $call_new (i32.const 500) (i32.const 10) (local.get $name) (local.get $size)
            (local.get $reply) (i32.const 0) (local.get $reject) (i32.const 0)))
    (func $ask (param $size i32)
        (call $call_new (i32.const 1002) (i32.load8_u (i32.const 1000))
            (i32.const 1012) (i32.load8_u (i32.const 1001))
            (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 0))
        (call $call_data_append (i32.add (i32.const 1012) (i32.load8_u (i32.const 1001)))
            (i32.sub (i32.sub (local.get $size) (i32.const 12)) (i32.load8_u (i32.const 1001))))
        (if (call $call_perform) (then (unreachable))))
    (global $size (mut i32) (i32.const 0))
    (func $then_ask (param i32) (call $ask (global.get $size)))
    (func (export "canister_composite_query ask") (call $ask (call $argument)))
    (func (export "canister_composite_query ask_later")
        (global.set $size (call $argument))
        (call $self (i32.const 8) (i32.const 3) (i32.const 3) (i32.const 2))
        (drop (call $call_perform)))
    (func (export "canister_query now") (call $reply (i32.const 7)))
    (func (export "canister_composite_query down")
        (drop (call $argument))
        (if (i32.eqz (i32.load8_u (i32.const 1000))) (then (call $reply (i32.const 7)) (return)))
        (i32.store8 (i32.const 1000) (i32.sub (i32.load8_u (i32.const 1000)) (i32.const 1)))
        (call $self (i32.const 0) (i32.const 4) (i32.const 1) (i32.const 2))
        (call $call_data_append (i32.const 1000) (i32.const 1))
        (drop (call $call_perform)))
    (global $left (mut i32) (i32.const 0))
    (func $again (param i32) (call $many))
    (func $many
        (if (i32.eqz (global.get $left)) (then (call $reply (i32.const 7)) (return)))
        (global.set $left (i32.sub (global.get $left) (i32.const 1)))
        (call $self (i32.const 8) (i32.const 3) (i32.const 5) (i32.const 5))
        (drop (call $call_perform)))
    (elem (i32.const 5) $again)
    (func (export "canister_composite_query many")
        (drop (call $argument))
        (global.set $left (i32.load8_u (i32.const 1000)))
        (call $many))
    (func (export "canister_query burn") (loop $more (br $more)))
    (func (export "canister_composite_query first_of_two")
        (call $self (i32.const 8) (i32.const 3) (i32.const 1) (i32.const 2))
        (drop (call $call_perform))
        (call $self (i32.const 24) (i32.const 4) (i32.const 1) (i32.const 2))
        (drop (call $call_perform)))
    (func (export "canister_composite_query second_of_two")
        (call $self (i32.const 8) (i32.const 3) (i32.const 4) (i32.const 2))
        (drop (call $call_perform))
        (call $self (i32.const 8) (i32.const 3) (i32.const 1) (i32.const 2))
        (drop (call $call_perform)))
    (func (export "canister_composite_query silent"))
"#;

/// The reply that a call of a composite query got, or the code and the message of its reject.
fn outcome(answer: &[u8]) -> Result<Vec<u8>, (u8, String)> {
    match answer {
        [0, reply @ ..] => Ok(reply.to_vec()),
        [code, text @ ..] => Err((*code, String::from_utf8(text.to_vec()).unwrap())),
        [] => panic!("no answer"),
    }
}

/// Lets an asker call the management canister from `ask`.
fn manage(
    net: &mut Net,
    asker: Principal,
    method: &str,
    payload: &[u8],
) -> Result<Vec<u8>, (u8, String)> {
    let payload = ask(Principal::management_canister(), method, payload);
    outcome(&net.query(asker, "ask", &payload).unwrap())
}

/// Lets the asker control the canister, too.
fn add_controller(net: &mut Net, canister: Principal, controller: Principal) {
    let settings = types::CanisterSettings {
        controllers: Some(vec![net.admin, controller]),
        ..Default::default()
    };
    net.update_settings(canister, settings).unwrap();
}

#[test]
fn a_composite_query_calls_the_query_methods_of_the_management_canister() {
    let mut net = Net::new();
    let asker = net.install(ASKER);
    add_controller(&mut net, asker, asker);
    for method in [
        "canister_status",
        "canister_metrics",
        "fetch_canister_logs",
        "canister_info",
    ] {
        let payload = encode(record(asker).0);
        let expected = net.query(Principal::management_canister(), method, &payload);
        assert_eq!(
            manage(&mut net, asker, method, &payload),
            Ok(expected.unwrap()),
            "{method}"
        );
    }
}

#[test]
fn a_callback_of_a_composite_query_calls_the_management_canister() {
    let mut net = Net::new();
    let asker = net.install(ASKER);
    let payload = encode(record(asker).0);
    let argument = ask(
        Principal::management_canister(),
        "canister_status",
        &payload,
    );
    let answer = net.query(asker, "ask_later", &argument).unwrap();
    assert!(outcome(&answer).is_ok(), "{answer:?}");
}

#[test]
fn a_composite_query_has_the_rights_of_its_canister_and_not_those_of_the_user() {
    let mut net = Net::new();
    let (asker, other) = (net.install(ASKER), net.install(""));
    let payload = encode(record(other).0);
    let methods = ["canister_status", "canister_metrics", "fetch_canister_logs"];
    for (method, code) in methods.into_iter().zip(["IC0542", "IC0512", "IC0406"]) {
        // The user controls both canisters.
        let (_, text) = manage(&mut net, asker, method, &payload).unwrap_err();
        let expected = match code {
            "IC0406" => format!("Caller {asker} is not allowed to access canister logs"),
            _ => code.to_owned(),
        };
        assert!(text.starts_with(&expected), "{method}: {text}");
    }
    add_controller(&mut net, other, asker);
    for method in methods {
        assert!(
            manage(&mut net, asker, method, &payload).is_ok(),
            "{method}"
        );
    }
}

#[test]
fn other_methods_of_the_management_canister_are_no_query_methods() {
    let mut net = Net::new();
    let asker = net.install(ASKER);
    for method in ["raw_rand", "install_code", "subnet_info", "nonsense"] {
        let text = format!("IC0536: Query method {method} not found.");
        assert_eq!(
            manage(&mut net, asker, method, NO_ARGS),
            Err((5, text.clone())),
        );
        // A user's query gets the same text.
        let management = Principal::management_canister();
        let reject = net.query(management, method, NO_ARGS).unwrap_err();
        assert_eq!(format!("{}: {}", reject.error_code, reject.message), text);
    }
}

#[test]
fn a_composite_query_sees_its_own_subnet_only() {
    let mut net = Net::with(vec![SubnetKind::Application, SubnetKind::Application]);
    let asker = net.install(ASKER);
    let far = net.create_on(1, 100 * crate::common::T);
    add_controller(&mut net, far, asker);
    let not_found = format!("IC0301: Canister {far} not found");
    let payload = encode(record(far).0);
    assert_eq!(
        manage(&mut net, asker, "canister_status", &payload),
        Err((3, not_found.clone()))
    );
    let answer = net.query(asker, "ask", &ask(far, "now", &[])).unwrap();
    assert_eq!(outcome(&answer), Err((3, not_found)));
}

#[test]
fn the_id_of_its_subnet_names_the_management_canister() {
    let mut net = Net::new();
    let asker = net.install(ASKER);
    let subnet = net.replica.subnets()[0].id;
    let program = canister(
        r#"
        (table 3 funcref) (elem (i32.const 1) $on_reply $on_reject)
        (data (i32.const 0) "nonsense")
        (func $on_reply (param i32) (call $reply (i32.const 0)))
        (func $on_reject (param i32) (call $reply (call $msg_reject_code)))
        (func (export "canister_composite_query go") (local $size i32)
            (local.set $size (call $argument))
            (call $call_new (i32.const 1000) (local.get $size) (i32.const 0) (i32.const 8)
                (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 0))
            (drop (call $call_perform)))"#,
    );
    net.install_as(types::CanisterInstallMode::Reinstall, asker, program, &[])
        .unwrap();
    let answer = net.query(asker, "go", subnet.as_slice()).unwrap();
    assert_eq!(answer, 5_u32.to_le_bytes());
}

#[test]
fn a_composite_query_calls_queries_of_its_own_canister() {
    let mut net = Net::new();
    let asker = net.install(ASKER);
    let seven = Ok(7_u32.to_le_bytes().to_vec());
    let answer = net.query(asker, "ask", &ask(asker, "now", &[])).unwrap();
    assert_eq!(outcome(&answer), seven);
    // The callee is a composite query.
    let answer = net.query(asker, "ask", &ask(asker, "down", &[0])).unwrap();
    assert_eq!(outcome(&answer), seven);
}

#[test]
fn calls_of_composite_queries_are_nested_six_deep_at_most() {
    let mut net = Net::new();
    let asker = net.install(ASKER);
    for depth in [1, 3, 6] {
        let answer = net.query(asker, "down", &[depth]).unwrap();
        assert_eq!(answer.last_chunk(), Some(&7_u32.to_le_bytes()), "{depth}");
    }
    for depth in [7, 9] {
        let reject = net.query(asker, "down", &[depth]).unwrap_err();
        assert_eq!(
            (reject.error_code.as_str(), reject.message.as_str()),
            (
                "IC0525",
                "Composite query calls exceeded the maximum call depth."
            ),
        );
    }
}

#[test]
fn a_call_to_the_management_canister_adds_nothing_to_the_depth() {
    let mut net = Net::new();
    let asker = net.install(ASKER);
    let status = encode(record(asker).0);
    // Five canisters wait for the sixth, which calls the management canister.
    let mut argument = ask(Principal::management_canister(), "canister_status", &status);
    for _ in 0..5 {
        argument = ask(asker, "ask", &argument);
    }
    let answer = net.query(asker, "ask", &argument).unwrap();
    assert!(answer.starts_with(&[0; 6]), "{answer:?}");
}

#[test]
fn all_calls_of_a_composite_query_share_the_limit_of_instructions() {
    let mut net = Net::new();
    let asker = net.install(ASKER);
    let too_many = "Composite query calls exceeded the instruction limit.";
    // Each call takes 50 million of 5 billion instructions, besides those of the callee.
    assert_eq!(
        net.query(asker, "many", &[99]).unwrap(),
        7_u32.to_le_bytes()
    );
    let reject = net.query(asker, "many", &[100]).unwrap_err();
    assert_eq!(
        (reject.error_code.as_str(), reject.message.as_str()),
        ("IC0526", too_many)
    );
    // A callee that uses up all instructions ends the whole query.
    let reject = net.query(asker, "ask", &ask(asker, "burn", &[]));
    assert_eq!(reject.unwrap_err().message, too_many);
}

#[test]
fn a_list_of_canisters_costs_instructions() {
    let mut net = Net::with(vec![SubnetKind::CloudEngine]);
    let asker = net.install(ASKER);
    let subnet = net.replica.subnets()[0].id;
    net.replica
        .set_subnet_admins(subnet, [asker].into())
        .unwrap();
    manage(&mut net, asker, "list_canisters", NO_ARGS).unwrap();
    let query = net.events(Kind::Query).pop().unwrap();
    assert!((20_016_000..20_100_000).contains(&query.instructions));
}

#[test]
fn an_answer_ends_the_query_before_its_other_calls() {
    let mut net = Net::new();
    let asker = net.install(ASKER);
    let answer = net.query(asker, "first_of_two", &[]).unwrap();
    assert_eq!(outcome(&answer), Ok(7_u32.to_le_bytes().to_vec()));
    let query = net.events(Kind::Query).pop().unwrap();
    assert!(query.instructions < 1_000_000, "{}", query.instructions);
}

#[test]
fn a_callback_that_traps_leaves_the_other_calls_of_the_query() {
    let mut net = Net::new();
    let asker = net.install(ASKER);
    let answer = net.query(asker, "second_of_two", &[]).unwrap();
    assert_eq!(outcome(&answer), Ok(7_u32.to_le_bytes().to_vec()));
}

#[test]
fn a_query_without_an_answer_did_not_produce_a_response() {
    let mut net = Net::new();
    let asker = net.install(ASKER);
    let reject = net.query(asker, "silent", &[]).unwrap_err();
    assert_eq!(
        (reject.error_code.as_str(), reject.message),
        (
            "IC0506",
            format!("Canister {asker} did not produce a response")
        )
    );
}
