//! HTTP outcalls, answered by the test through the ordinary client.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use candid::{CandidType, Principal, Reserved, decode_one, encode_one};
use ic_management_canister_types as types;
use pocket_ic::{
    PocketIc,
    common::rest::{
        CanisterHttpMethod, CanisterHttpReject, CanisterHttpReplication, CanisterHttpReply,
        CanisterHttpRequest, CanisterHttpResponse, IcpConfig, IcpConfigFlag,
        MockCanisterHttpResponse, MockFlexibleCanisterHttpResponse, RawMessageId,
    },
};

use crate::common::{builder, instance};

/// A canister that forwards its argument to the management canister with 10^11 cycles. It replies
/// with 0 and the reply, or with the reject's code and message.
const PROXY: &str = r#"
(module
  (import "ic0" "msg_arg_data_size" (func $arg_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $arg_copy (param i32 i32 i32)))
  (import "ic0" "msg_reject_code" (func $code (result i32)))
  (import "ic0" "msg_reject_msg_size" (func $text_size (result i32)))
  (import "ic0" "msg_reject_msg_copy" (func $text_copy (param i32 i32 i32)))
  (import "ic0" "msg_reply" (func $msg_reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_data_append" (func $call_append (param i32 i32)))
  (import "ic0" "call_cycles_add128" (func $add_cycles (param i64 i64)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (memory 2)
  (data (i32.const 0) "http_requestflexible_http_request")
  (table funcref (elem $replied $rejected))
  (func $argument (result i32)
    (call $arg_copy (i32.const 1000) (i32.const 0) (call $arg_size))
    (call $arg_size))
  (func $answer (param $code i32) (param $size i32)
    (i32.store8 (i32.const 999) (local.get $code))
    (call $append (i32.const 999) (i32.add (i32.const 1) (local.get $size)))
    (call $msg_reply))
  (func $forward (param $name i32) (param $size i32)
    (call $call_new (i32.const 0) (i32.const 0) (local.get $name) (local.get $size)
      (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
    (call $call_append (i32.const 1000) (call $argument))
    (call $add_cycles (i64.const 0) (i64.const 100000000000))
    (drop (call $perform)))
  (func $replied (param i32) (call $answer (i32.const 0) (call $argument)))
  (func $rejected (param i32)
    (call $text_copy (i32.const 1000) (i32.const 0) (call $text_size))
    (call $answer (call $code) (call $text_size)))
  (func (export "canister_update http") (call $forward (i32.const 0) (i32.const 12)))
  (func (export "canister_update flexible") (call $forward (i32.const 12) (i32.const 21)))
  (func (export "canister_query transform")
    (call $append (i32.const 1000) (call $argument))
    (call $msg_reply)))
"#;

#[derive(CandidType)]
struct Args {
    url: String,
    max_response_bytes: Option<u64>,
    headers: Vec<types::HttpHeader>,
    body: Option<Vec<u8>>,
    method: types::HttpMethod,
    transform: Option<types::TransformContext>,
    is_replicated: Option<bool>,
    replication: Option<Counts>,
}

#[derive(CandidType)]
struct Counts {
    total_requests: u32,
    min_responses: u32,
    max_responses: u32,
}

#[derive(CandidType, candid::Deserialize)]
enum FlexibleResult {
    #[serde(rename = "ok")]
    Ok(Vec<types::HttpRequestResult>),
    #[serde(rename = "err")]
    Err(Reserved),
}

fn args() -> Args {
    Args {
        url: "https://example.com/path".into(),
        max_response_bytes: Some(2_000),
        headers: vec![types::HttpHeader {
            name: "accept".into(),
            value: "text/plain".into(),
        }],
        body: Some(b"question".to_vec()),
        method: types::HttpMethod::POST,
        transform: None,
        is_replicated: None,
        replication: None,
    }
}

fn proxy(pic: &PocketIc) -> Principal {
    let canister = pic.create_canister();
    let module = wat::parse_str(PROXY).unwrap();
    pic.install_canister(canister, module, vec![], None);
    canister
}

fn ask(
    pic: &PocketIc,
    proxy: Principal,
    method: &str,
    args: &Args,
) -> (RawMessageId, CanisterHttpRequest) {
    let arg = encode_one(args).unwrap();
    let call = pic
        .submit_call(proxy, Principal::anonymous(), method, arg)
        .unwrap();
    pic.tick();
    pic.tick();
    let mut pending = pic.get_canister_http();
    assert_eq!(pending.len(), 1);
    (call, pending.remove(0))
}

fn wait(pic: &PocketIc, call: RawMessageId) -> (u8, Vec<u8>) {
    let reply = pic.await_call(call).unwrap();
    (reply[0], reply[1..].to_vec())
}

fn reply(body: &[u8]) -> CanisterHttpResponse {
    CanisterHttpResponse::CanisterHttpReply(CanisterHttpReply {
        status: 200,
        headers: vec![],
        body: body.to_vec(),
    })
}

fn reject(reject_code: u64, message: &str) -> CanisterHttpResponse {
    CanisterHttpResponse::CanisterHttpReject(CanisterHttpReject {
        reject_code,
        message: message.into(),
    })
}

/// Answers an outcall, with one answer for all nodes or with one for each.
fn mock(pic: &PocketIc, request: &CanisterHttpRequest, mut answers: Vec<CanisterHttpResponse>) {
    pic.mock_canister_http_response(MockCanisterHttpResponse {
        subnet_id: request.subnet_id,
        request_id: request.request_id,
        response: answers.remove(0),
        additional_responses: answers,
    });
}

fn body((code, reply): (u8, Vec<u8>)) -> Vec<u8> {
    assert_eq!(code, 0, "{}", String::from_utf8_lossy(&reply));
    decode_one::<types::HttpRequestResult>(&reply).unwrap().body
}

#[test]
fn a_mocked_response_reaches_the_canister() {
    let pic = instance();
    let proxy = proxy(&pic);
    let (call, request) = ask(&pic, proxy, "http", &args());
    assert!(
        pic.topology()
            .get_app_subnets()
            .contains(&request.subnet_id)
    );
    assert_eq!(request.http_method, CanisterHttpMethod::POST);
    assert_eq!(request.url, "https://example.com/path");
    assert_eq!(request.headers[0].value, "text/plain");
    assert_eq!(request.body, b"question");
    assert_eq!(request.max_response_bytes, Some(2_000));
    assert_eq!(
        request.replication,
        CanisterHttpReplication::FullyReplicated
    );
    mock(&pic, &request, vec![reply(b"answer")]);
    assert!(pic.get_canister_http().is_empty());
    assert_eq!(body(wait(&pic, call)), b"answer");
    let (call, request) = ask(&pic, proxy, "http", &args());
    mock(&pic, &request, vec![reject(2, "Connection refused")]);
    assert_eq!(wait(&pic, call), (2, b"Connection refused".to_vec()));
}

#[test]
fn each_node_can_get_another_response() {
    let pic = instance();
    let proxy = proxy(&pic);
    let (call, request) = ask(&pic, proxy, "http", &args());
    let mut answers = vec![reply(b"a"); 9];
    answers.extend(vec![reply(b"b"); 4]);
    mock(&pic, &request, answers);
    assert_eq!(body(wait(&pic, call)), b"a");
    let (call, request) = ask(&pic, proxy, "http", &args());
    let answers = (0..13).map(|node| reply(&[node / 2])).collect();
    mock(&pic, &request, answers);
    let (code, why) = wait(&pic, call);
    assert_eq!(code, 2);
    assert!(why.starts_with(b"No consensus could be reached. Replicas had different responses."));
}

#[test]
fn a_response_goes_through_the_transform_function() {
    let pic = instance();
    let proxy = proxy(&pic);
    let function = candid::Func {
        principal: proxy,
        method: "transform".into(),
    };
    let args = Args {
        transform: Some(types::TransformContext {
            function: types::TransformFunc(function),
            context: b"context".to_vec(),
        }),
        ..args()
    };
    let (call, request) = ask(&pic, proxy, "http", &args);
    mock(&pic, &request, vec![reply(b"answer")]);
    let (code, seen) = wait(&pic, call);
    assert_eq!(code, 0);
    let seen: types::TransformArgs = decode_one(&seen).unwrap();
    assert_eq!(seen.context, b"context");
    assert_eq!(seen.response.body, b"answer");
}

#[test]
fn an_unanswered_outcall_times_out() {
    let pic = instance();
    let proxy = proxy(&pic);
    let (call, _) = ask(&pic, proxy, "http", &args());
    pic.advance_time(Duration::from_secs(180));
    pic.tick();
    assert!(pic.get_canister_http().is_empty());
    assert_eq!(
        wait(&pic, call),
        (2, b"Canister http request timed out".to_vec())
    );
}

#[test]
fn impossible_responses_are_refused() {
    let pic = instance();
    let proxy = proxy(&pic);
    let (call, request) = ask(&pic, proxy, "http", &args());
    let unknown = CanisterHttpRequest {
        request_id: request.request_id + 1,
        ..request.clone()
    };
    let refused = |request: &CanisterHttpRequest, answers: Vec<CanisterHttpResponse>| {
        catch_unwind(AssertUnwindSafe(|| mock(&pic, request, answers))).is_err()
    };
    assert!(refused(&unknown, vec![reply(b"")]));
    assert!(refused(&request, vec![reply(b""); 2]));
    assert!(refused(&request, vec![reject(0, "no such code")]));
    assert!(refused(&request, vec![reject(2, &"x".repeat(1025))]));
    let flexible = MockFlexibleCanisterHttpResponse {
        subnet_id: request.subnet_id,
        request_id: request.request_id,
        responses: vec![reply(b"")],
    };
    let flexible = AssertUnwindSafe(|| pic.mock_flexible_canister_http_response(flexible));
    assert!(catch_unwind(flexible).is_err());
    // The outcall is still pending.
    mock(&pic, &request, vec![reply(b"answer")]);
    assert_eq!(body(wait(&pic, call)), b"answer");
}

#[test]
fn a_flexible_outcall_is_answered_node_by_node() {
    let pic = builder()
        .with_application_subnet()
        .with_icp_config(IcpConfig {
            beta_features: Some(IcpConfigFlag::Enabled),
            ..IcpConfig::default()
        })
        .build();
    let proxy = proxy(&pic);
    let args = Args {
        replication: Some(Counts {
            total_requests: 4,
            min_responses: 2,
            max_responses: 3,
        }),
        ..args()
    };
    let (call, request) = ask(&pic, proxy, "flexible", &args);
    assert_eq!(
        request.replication,
        CanisterHttpReplication::Flexible {
            total_requests: 4,
            min_responses: 2,
            max_responses: 3
        }
    );
    pic.mock_flexible_canister_http_response(MockFlexibleCanisterHttpResponse {
        subnet_id: request.subnet_id,
        request_id: request.request_id,
        responses: vec![reply(b"bb"), reject(2, "Connection refused"), reply(b"a")],
    });
    let (code, result) = wait(&pic, call);
    assert_eq!(code, 0);
    let bodies: Vec<_> = match decode_one(&result).unwrap() {
        FlexibleResult::Ok(responses) => responses.into_iter().map(|r| r.body).collect(),
        FlexibleResult::Err(_) => panic!("no responses"),
    };
    assert_eq!(bodies, [b"a".to_vec(), b"bb".to_vec()]);
}
