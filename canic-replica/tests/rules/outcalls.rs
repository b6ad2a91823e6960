//! HTTP outcalls: their arguments, fees and responses.

use candid::{CandidType, Deserialize, Principal, Reserved, decode_one, encode_one};
use canic_replica::{
    Config, HttpMethod, Kind, OutcallAnswer, PendingOutcall, RejectCode, Replication, SubnetKind,
    SubnetOptions,
};
use ic_management_canister_types as types;

use crate::common::{Net, T, record};

/// A canister that forwards its argument to the management canister; the argument begins with the
/// cycles to attach in 16 bytes. It replies with 0 and the reply, or with the reject's code and
/// message.
const PROXY: &str = r#"
    (data (i32.const 0) "http_requestflexible_http_request")
    (table funcref (elem $replied $rejected))
    (func $forward (param $name i32) (param $size i32)
        (local $length i32)
        (drop (memory.grow (i32.const 80)))
        (local.set $length (call $argument))
        (call $call_new (i32.const 0) (i32.const 0) (local.get $name) (local.get $size)
            (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
        (call $call_data_append (i32.const 1016) (i32.sub (local.get $length) (i32.const 16)))
        (call $call_cycles_add128 (i64.load (i32.const 1008)) (i64.load (i32.const 1000)))
        (drop (call $call_perform)))
    (func (export "canister_update http") (call $forward (i32.const 0) (i32.const 12)))
    (func (export "canister_update flexible") (call $forward (i32.const 12) (i32.const 21)))
    (func $replied (param i32)
        (i32.store8 (i32.const 999) (i32.const 0))
        (call $answer (i32.const 999) (i32.add (i32.const 1) (call $argument))))
    (func $rejected (param i32)
        (i32.store8 (i32.const 999) (call $msg_reject_code))
        (call $msg_reject_msg_copy (i32.const 1000) (i32.const 0) (call $msg_reject_msg_size))
        (call $answer (i32.const 999) (i32.add (i32.const 1) (call $msg_reject_msg_size))))
    ;; Replies with its argument; traps if the caller is not the management canister.
    (func (export "canister_query transform")
        (if (call $msg_caller_size) (then (unreachable)))
        (drop (memory.grow (i32.const 80)))
        (call $answer (i32.const 1000) (call $argument)))
    (func (export "canister_query certified")
        (i32.store8 (i32.const 999) (call $data_certificate_present))
        (call $answer (i32.const 999) (i32.const 1)))
    (func (export "canister_query certificate") (drop (call $data_certificate_size)))
    (func (export "canister_query large") (call $answer (i32.const 0) (i32.const 101)))
    (func (export "canister_query traps") (unreachable))
    (func (export "canister_query rejects") (call $msg_reject (i32.const 0) (i32.const 4)))
    (func (export "canister_composite_query composite") (call $reply (i32.const 1)))
    ;; The argument is the request's and the response's size.
    (func (export "canister_query cost")
        (drop (call $argument))
        (call $cost_http_request
            (i64.load (i32.const 1000)) (i64.load (i32.const 1008)) (i32.const 900))
        (call $answer (i32.const 900) (i32.const 16)))
    (func (export "canister_query cost_v2")
        (call $cost_http_request_v2 (i32.const 1000) (call $argument) (i32.const 900))
        (call $answer (i32.const 900) (i32.const 16)))
"#;

/// The fee of an outcall: 49,140,000 cycles, 5,200 for each byte of the request, and 10,400 for
/// each byte that the response may have.
const fn fee(request: u128, response: u128) -> u128 {
    49_140_000 + 5_200 * request + 10_400 * response
}

#[derive(CandidType, Clone, Copy, Deserialize)]
enum Method {
    #[serde(rename = "get")]
    Get,
    #[serde(rename = "put")]
    Put,
    #[serde(rename = "patch")]
    Patch,
    #[serde(rename = "delete")]
    Delete,
}

#[derive(CandidType, Clone, Copy)]
struct Counts {
    total_requests: u32,
    min_responses: u32,
    max_responses: u32,
}

#[derive(CandidType, Clone)]
struct Args {
    url: String,
    max_response_bytes: Option<u64>,
    headers: Vec<types::HttpHeader>,
    body: Option<Vec<u8>>,
    method: Method,
    transform: Option<types::TransformContext>,
    is_replicated: Option<bool>,
    pricing_version: Option<u32>,
    replication: Option<Counts>,
}

#[derive(CandidType, Deserialize, Debug)]
enum FlexibleResult {
    #[serde(rename = "ok")]
    Ok(Vec<types::HttpRequestResult>),
    #[serde(rename = "err")]
    Err(FlexibleErr),
}

#[derive(CandidType, Deserialize, Debug)]
struct FlexibleErr {
    global_error: Option<GlobalError>,
    node_details: Vec<NodeDetail>,
    message: String,
}

#[derive(CandidType, Deserialize, Debug, PartialEq)]
enum GlobalError {
    #[serde(rename = "timeout")]
    Timeout(Reserved),
    #[serde(rename = "out_of_cycles")]
    OutOfCycles(Reserved),
    #[serde(rename = "responses_too_large")]
    ResponsesTooLarge(Reserved),
    #[serde(rename = "too_many_rejects")]
    TooManyRejects(Reserved),
}

#[derive(CandidType, Deserialize, Debug)]
struct NodeDetail {
    node_id: Principal,
    error: Option<NodeError>,
}

#[derive(CandidType, Deserialize, Debug)]
struct NodeError {
    code: String,
    message: String,
}

fn args() -> Args {
    Args {
        url: "https://example.com".into(),
        max_response_bytes: Some(1_000),
        headers: vec![],
        body: None,
        method: Method::Get,
        transform: None,
        is_replicated: None,
        pricing_version: None,
        replication: None,
    }
}

fn transform(principal: Principal, method: &str) -> Option<types::TransformContext> {
    let function = candid::Func {
        principal,
        method: method.into(),
    };
    Some(types::TransformContext {
        function: types::TransformFunc(function),
        context: b"context".to_vec(),
    })
}

fn reply(body: &[u8]) -> OutcallAnswer {
    OutcallAnswer::Reply {
        status: 200,
        headers: vec![("x".into(), "yz".into())],
        body: body.to_vec(),
    }
}

fn connection_refused() -> OutcallAnswer {
    OutcallAnswer::reject(RejectCode::SysTransient, "Connection refused")
}

/// An instance with a [`PROXY`].
struct Proxy {
    net: Net,
    id: Principal,
}

/// The code of an answer (0 for a reply), and its bytes.
type Answer = (u8, Vec<u8>);

impl Proxy {
    fn new() -> Self {
        Self::on(SubnetKind::Application)
    }

    fn on(kind: SubnetKind) -> Self {
        Self::of(Config {
            subnets: vec![kind],
            beta_features: true,
            ..Config::default()
        })
    }

    fn of(config: Config) -> Self {
        let mut net = Net::of(config);
        let id = net.install(PROXY);
        Self { net, id }
    }

    /// Makes an outcall, and executes rounds until the management canister has it.
    fn ask(&mut self, method: &str, args: &Args, cycles: u128) -> [u8; 32] {
        let mut payload = cycles.to_le_bytes().to_vec();
        payload.extend(encode_one(args).unwrap());
        let ingress = self.net.ingress(self.id, method, &payload);
        let message = self.net.replica.submit(ingress).unwrap();
        self.net.replica.tick();
        self.net.replica.tick();
        self.net.check_accounts();
        message
    }

    fn pending(&self) -> PendingOutcall {
        let mut all = self.net.replica.pending_outcalls();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn mock(&mut self, answers: Vec<OutcallAnswer>) -> Result<(), String> {
        let outcall = self.pending();
        self.net
            .replica
            .answer_outcall(outcall.subnet, outcall.id, answers)
    }

    fn wait(&mut self, message: [u8; 32]) -> Answer {
        let reply = self.net.replica.await_ingress(&message).unwrap().unwrap();
        self.net.check_accounts();
        (reply[0], reply[1..].to_vec())
    }

    /// Makes an outcall to which all nodes get the same answer.
    fn outcall(&mut self, args: &Args, answer: OutcallAnswer) -> Answer {
        let message = self.ask("http", args, T);
        self.mock(vec![answer]).unwrap();
        self.wait(message)
    }

    /// Makes a flexible outcall to which as many nodes get an answer as there are answers.
    fn flexible(&mut self, counts: [u32; 3], answers: Vec<OutcallAnswer>) -> FlexibleResult {
        let message = self.ask("flexible", &flexible_args(counts), T);
        let outcall = self.pending();
        let replica = &mut self.net.replica;
        replica
            .answer_flexible_outcall(outcall.subnet, outcall.id, answers)
            .unwrap();
        let (code, result) = self.wait(message);
        assert_eq!(code, 0);
        decode_one(&result).unwrap()
    }

    /// The fees for outcalls so far.
    fn charges(&self) -> u128 {
        self.net.replica.accounts().fees.outcalls
    }

    /// Sets the time forwards.
    fn advance(&mut self, ns: u64) {
        let time = self.net.replica.time() + ns;
        self.net.replica.set_time(time).unwrap();
    }
}

fn flexible_args([total_requests, min_responses, max_responses]: [u32; 3]) -> Args {
    Args {
        replication: Some(Counts {
            total_requests,
            min_responses,
            max_responses,
        }),
        ..args()
    }
}

fn text((code, message): Answer) -> (u8, String) {
    (code, String::from_utf8(message).unwrap())
}

fn response((code, reply): Answer) -> types::HttpRequestResult {
    assert_eq!(code, 0, "{}", String::from_utf8_lossy(&reply));
    decode_one(&reply).unwrap()
}

fn bodies(result: FlexibleResult) -> Vec<Vec<u8>> {
    match result {
        FlexibleResult::Ok(responses) => responses.into_iter().map(|r| r.body).collect(),
        FlexibleResult::Err(error) => panic!("{error:?}"),
    }
}

fn failure(result: FlexibleResult) -> FlexibleErr {
    match result {
        FlexibleResult::Ok(responses) => panic!("{responses:?}"),
        FlexibleResult::Err(error) => error,
    }
}

#[test]
fn an_outcall_waits_until_the_nodes_got_an_answer() {
    let mut proxy = Proxy::new();
    let args = Args {
        headers: vec![types::HttpHeader {
            name: "a".into(),
            value: "b".into(),
        }],
        body: Some(b"body".to_vec()),
        ..args()
    };
    let message = proxy.ask("http", &args, T);
    let outcall = proxy.pending();
    assert_eq!(outcall.subnet, proxy.net.replica.subnets()[0].id);
    assert_eq!((outcall.id, outcall.caller), (0, proxy.id));
    assert_eq!(outcall.url, "https://example.com");
    assert_eq!(outcall.method, HttpMethod::GET);
    assert_eq!(outcall.headers, [("a".to_owned(), "b".to_owned())]);
    assert_eq!(outcall.body, b"body");
    assert_eq!(outcall.max_response_bytes, Some(1_000));
    assert_eq!(outcall.replication, Replication::FullyReplicated);
    assert!(!outcall.pay_as_you_go);
    // The whole payment is taken while the outcall waits; the rest above the fee comes back.
    let before = proxy.net.replica.cycles(proxy.id).unwrap();
    assert_eq!(proxy.charges(), fee(19 + 2 + 4, 1_000));
    proxy.mock(vec![reply(b"hello")]).unwrap();
    assert!(proxy.net.replica.pending_outcalls().is_empty());
    let response = response(proxy.wait(message));
    assert_eq!(response.status, 200_u16);
    assert_eq!(response.body, b"hello");
    assert_eq!(response.headers[0].value, "yz");
    assert_eq!(proxy.charges(), fee(25, 1_000));
    let after = proxy.net.replica.cycles(proxy.id).unwrap();
    assert!(after > before + T - 2 * fee(25, 1_000));
}

/// Invalid arguments, and the message of the reject. `own` is the caller.
fn invalid_args(own: Principal) -> [(Args, String); 9] {
    let header = |name: usize, value: usize| types::HttpHeader {
        name: "n".repeat(name),
        value: "v".repeat(value),
    };
    [
        (
            Args {
                transform: transform(Principal::anonymous(), "transform"),
                ..args()
            },
            format!("transform principal id expected to be {own}, got 2vxsx-fae"),
        ),
        (
            Args {
                url: "u".repeat(8193),
                ..args()
            },
            "url size 8193 exceeds 8192".into(),
        ),
        (
            Args {
                headers: vec![header(1, 1); 65],
                ..args()
            },
            "number of all http headers 65 exceeds 64".into(),
        ),
        (
            Args {
                headers: vec![header(8193, 1)],
                ..args()
            },
            "number of bytes to represent some http header name 8193 exceeds 8192".into(),
        ),
        (
            Args {
                headers: vec![header(1, 8193)],
                ..args()
            },
            "number of bytes to represent some http header value 8193 exceeds 8192".into(),
        ),
        (
            Args {
                headers: vec![header(0, 8192); 7],
                ..args()
            },
            "total number of bytes to represent all http header names and values 57344 exceeds \
             49152"
                .into(),
        ),
        (
            Args {
                body: Some(vec![0; 2_000_001]),
                ..args()
            },
            "total number of bytes to represent all http header names and values and http body \
             2000001 exceeds 2000000"
                .into(),
        ),
        (
            Args {
                max_response_bytes: Some(2_000_001),
                ..args()
            },
            "max_response_bytes expected to be in the range [0..2000000], got 2000001".into(),
        ),
        (
            Args {
                method: Method::Put,
                ..args()
            },
            "The requested HTTP method is only allowed for non-replicated requests.".into(),
        ),
    ]
}

#[test]
fn invalid_arguments_are_refused_and_the_cycles_come_back() {
    let mut proxy = Proxy::new();
    for (args, expected) in invalid_args(proxy.id) {
        let message = proxy.ask("http", &args, T);
        assert_eq!(text(proxy.wait(message)), (4, expected));
    }
    let counts = [
        ([0, 0, 0], "total_requests (0) must be at least 1"),
        (
            [14, 1, 1],
            "total_requests (14) must not exceed the number of available nodes (13)",
        ),
        (
            [4, 3, 2],
            "min_responses (3) must not exceed max_responses (2)",
        ),
        (
            [4, 3, 5],
            "max_responses (5) must not exceed total_requests (4)",
        ),
    ];
    for (counts, expected) in counts {
        let message = proxy.ask("flexible", &flexible_args(counts), T);
        assert_eq!(text(proxy.wait(message)), (4, expected.into()));
    }
    assert_eq!(proxy.charges(), 0);
    assert!(proxy.net.replica.pending_outcalls().is_empty());
}

#[test]
fn methods_with_side_effects_take_a_single_node() {
    for method in [Method::Put, Method::Patch, Method::Delete] {
        let mut proxy = Proxy::new();
        let alone = Args {
            method,
            is_replicated: Some(false),
            ..args()
        };
        proxy.ask("http", &alone, T);
        assert_eq!(proxy.pending().replication, Replication::NonReplicated);
    }
}

#[test]
fn an_outcall_that_cannot_be_paid_for_is_not_made() {
    let mut proxy = Proxy::new();
    let needed = fee(19, 1_000);
    let message = proxy.ask("http", &args(), needed - 1);
    let expected = format!(
        "http_request request sent with {} cycles, but {needed} cycles are required.",
        needed - 1
    );
    assert_eq!(text(proxy.wait(message)), (4, expected));
    let message = proxy.ask("http", &args(), needed);
    proxy.mock(vec![reply(b"")]).unwrap();
    assert_eq!(proxy.wait(message).0, 0);
    assert_eq!(proxy.charges(), needed);
    // On a system subnet outcalls are free.
    let mut free = Proxy::on(SubnetKind::System);
    let message = free.ask("http", &args(), 0);
    free.mock(vec![reply(b"")]).unwrap();
    assert_eq!(free.wait(message).0, 0);
    assert_eq!(free.charges(), 0);
}

#[test]
fn only_canisters_make_outcalls() {
    let mut proxy = Proxy::new();
    for method in ["http_request", "flexible_http_request"] {
        let payload = encode_one(args()).unwrap();
        let ingress = proxy
            .net
            .ingress(Principal::management_canister(), method, &payload);
        let reject = proxy.net.replica.submit(ingress).unwrap_err();
        assert_eq!(
            reject.message,
            format!("ic00 method {method} can not be called via ingress messages")
        );
    }
}

#[test]
fn an_outcall_times_out_after_a_minute() {
    let mut proxy = Proxy::new();
    let message = proxy.ask("http", &args(), T);
    proxy.advance(60_000_000_000 - 10);
    proxy.net.replica.tick();
    assert_eq!(proxy.net.replica.pending_outcalls().len(), 1);
    proxy.advance(11);
    proxy.net.replica.tick();
    assert!(proxy.net.replica.pending_outcalls().is_empty());
    let expected = (2, "Canister http request timed out".to_owned());
    assert_eq!(text(proxy.wait(message)), expected);
}

#[test]
fn two_thirds_of_the_nodes_must_get_the_same_response() {
    let mut proxy = Proxy::new();
    let split = |same: usize| {
        let mut answers = vec![reply(b"a"); same];
        answers.resize(13, reply(b"b"));
        answers
    };
    let message = proxy.ask("http", &args(), T);
    proxy.mock(split(9)).unwrap();
    assert_eq!(response(proxy.wait(message)).body, b"a");
    let message = proxy.ask("http", &args(), T);
    proxy.mock(split(8)).unwrap();
    let (code, why) = text(proxy.wait(message));
    assert_eq!(code, 2);
    let start = "No consensus could be reached. Replicas had different responses. Details: \
                 request_id: 1, hashes: [";
    assert!(
        why.starts_with(start) && why.contains(": 8], [") && why.ends_with(": 5]"),
        "{why}"
    );
    // A reject is an answer, too.
    let message = proxy.ask("http", &args(), T);
    proxy.mock(vec![connection_refused()]).unwrap();
    assert_eq!(text(proxy.wait(message)), (2, "Connection refused".into()));
}

#[test]
fn the_transform_function_sees_every_response() {
    let mut proxy = Proxy::new();
    let args = Args {
        transform: transform(proxy.id, "transform"),
        ..args()
    };
    let (code, reply) = proxy.outcall(&args, reply(b"hello"));
    assert_eq!(code, 0);
    let seen: types::TransformArgs = decode_one(&reply).unwrap();
    assert_eq!(seen.context, b"context");
    assert_eq!(seen.response.body, b"hello");
    // Equal answers are transformed once.
    let queries = proxy.net.events(Kind::Query);
    let methods: Vec<_> = queries.iter().map(|event| &event.method).collect();
    assert_eq!(methods, ["transform"]);
    assert_eq!(queries[0].caller, Principal::management_canister());
}

/// Interface specification 0.53: the context TQ has no certificate.
#[test]
fn a_transform_function_sees_no_certificate() {
    let mut proxy = Proxy::new();
    let id = proxy.id;
    assert_eq!(proxy.net.query(id, "certified", &[]).unwrap(), [1]);
    let mut ask = |method| {
        let args = Args {
            transform: transform(id, method),
            ..args()
        };
        proxy.outcall(&args, reply(b"hello"))
    };
    assert_eq!(ask("certified"), (0, vec![0]));
    assert_eq!(ask("certificate").0, 5);
}

#[test]
fn the_caller_gets_the_error_of_a_transform_function() {
    let mut proxy = Proxy::new();
    let id = proxy.id;
    let cases = [
        (
            "traps",
            5,
            format!("IC0502: Error from Canister {id}: Canister trapped: unreachable."),
        ),
        ("rejects", 4, "http".into()),
        (
            "missing",
            5,
            format!("IC0536: Error from Canister {id}: Canister has no query method 'missing'."),
        ),
        (
            "composite",
            5,
            "IC0527: Composite query cannot be used as transform in canister http outcalls.".into(),
        ),
        (
            "large",
            1,
            "Transformed http response exceeds limit: 100".into(),
        ),
    ];
    for (method, code, expected) in cases {
        let args = Args {
            max_response_bytes: Some(100),
            transform: transform(id, method),
            ..args()
        };
        assert_eq!(
            text(proxy.outcall(&args, reply(b""))),
            (code, expected),
            "{method}"
        );
    }
}

#[test]
fn responses_above_their_limit_are_refused() {
    let mut proxy = Proxy::new();
    // The header takes 3 bytes.
    let args = Args {
        max_response_bytes: Some(10),
        ..args()
    };
    assert_eq!(response(proxy.outcall(&args, reply(&[1; 7]))).body, [1; 7]);
    let expected = (1, "Http body exceeds size limit of 10 bytes.".to_owned());
    assert_eq!(text(proxy.outcall(&args, reply(&[1; 8]))), expected);
    let args = Args {
        max_response_bytes: Some(2),
        ..args
    };
    let expected = (
        1,
        "Header size exceeds specified response size limit 2".to_owned(),
    );
    assert_eq!(text(proxy.outcall(&args, reply(b""))), expected);
}

#[test]
fn reject_messages_above_their_limit_are_refused() {
    let mut proxy = Proxy::new();
    let message = proxy.ask("http", &args(), T);
    let long = |length: usize| OutcallAnswer::reject(RejectCode::SysFatal, "x".repeat(length));
    let error = proxy.mock(vec![long(1025)]).unwrap_err();
    assert!(
        error.starts_with("CanisterHttpRejectMessageTooLong((1025, 1024))"),
        "{error}"
    );
    proxy.mock(vec![long(1024)]).unwrap();
    assert_eq!(text(proxy.wait(message)), (1, "x".repeat(1024)));
}

#[test]
fn only_pending_outcalls_can_be_answered() {
    let mut proxy = Proxy::new();
    proxy.ask("http", &args(), T);
    let PendingOutcall { subnet, id, .. } = proxy.pending();
    let replica = &mut proxy.net.replica;
    let stranger = Principal::anonymous();
    let errors = [
        replica.answer_outcall(stranger, id, vec![reply(b"")]),
        replica.answer_outcall(subnet, id + 1, vec![reply(b"")]),
        replica.answer_outcall(subnet, id, vec![reply(b""); 2]),
        replica.answer_outcall(subnet, id, vec![]),
        replica.answer_flexible_outcall(subnet, id, vec![reply(b"")]),
    ]
    .map(Result::unwrap_err);
    let starts = [
        "SubnetNotFound(",
        "InvalidCanisterHttpRequestId(",
        "InvalidMockCanisterHttpResponses((2, 13))",
        "InvalidMockCanisterHttpResponses((0, 13))",
        "NotAFlexibleCanisterHttpRequest",
    ];
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error}");
    }
    replica
        .answer_outcall(subnet, id, vec![reply(b"")])
        .unwrap();
    let again = replica.answer_outcall(subnet, id, vec![reply(b"")]);
    assert!(
        again
            .unwrap_err()
            .starts_with("InvalidCanisterHttpRequestId(")
    );
}

#[test]
fn a_fork_answers_its_own_outcalls() {
    let mut proxy = Proxy::new();
    let message = proxy.ask("http", &args(), T);
    let mut fork = Proxy {
        net: proxy.net.clone(),
        id: proxy.id,
    };
    proxy.mock(vec![reply(b"one")]).unwrap();
    fork.mock(vec![reply(b"other")]).unwrap();
    assert_eq!(response(proxy.wait(message)).body, b"one");
    assert_eq!(response(fork.wait(message)).body, b"other");
}

#[test]
fn an_answer_to_an_uninstalled_canister_is_dropped() {
    let mut proxy = Proxy::new();
    proxy.ask("http", &args(), T);
    let id = proxy.id;
    proxy
        .net
        .manage::<()>("uninstall_code", record(id))
        .unwrap();
    proxy.mock(vec![reply(b"")]).unwrap();
    proxy.net.replica.tick();
    proxy.net.replica.tick();
    proxy.net.check_accounts();
    assert_eq!(proxy.net.replica.accounts().in_flight, 0);
}

// Pricing version 2.

/// The size of a response in Candid, in bytes.
fn encoded_size(answer: &OutcallAnswer) -> u128 {
    let OutcallAnswer::Reply {
        status,
        headers,
        body,
    } = answer
    else {
        panic!("no response");
    };
    let headers = headers.iter().map(|(name, value)| types::HttpHeader {
        name: name.clone(),
        value: value.clone(),
    });
    let response = types::HttpRequestResult {
        status: (*status).into(),
        headers: headers.collect(),
        body: body.clone(),
    };
    encode_one(response).unwrap().len() as u128
}

#[test]
fn pricing_version_2_charges_for_used_resources() {
    let mut proxy = Proxy::new();
    let replicated = Args {
        pricing_version: Some(2),
        ..args()
    };
    let answer = reply(&[7; 500]);
    let downloaded = 503;
    proxy.outcall(&replicated, answer.clone());
    // 13 nodes downloaded the response, and it was put into a block.
    let base = 13 * (1_000_000 + 50 * 19 + 140_000 * 13 + 800 * 169);
    let cost = base + 13 * 50 * downloaded + 9_490 * encoded_size(&answer);
    assert_eq!(proxy.charges(), cost);
    // One node downloaded the response, and passed it to 13.
    let alone = Args {
        is_replicated: Some(false),
        ..replicated.clone()
    };
    proxy.outcall(&alone, answer.clone());
    let base = 13 * (1_000_000 + 50 * 19 + 90_000 * 13 + 2_000 * 13 + 100_000);
    let alone = base + 50 * downloaded + (13 * 50 + 9_490) * encoded_size(&answer);
    assert_eq!(proxy.charges(), cost + alone);
    // A reject costs little more than the base fee.
    let before = proxy.charges();
    proxy.outcall(&replicated, connection_refused());
    let base = 13 * (1_000_000 + 50 * 19 + 140_000 * 13 + 800 * 169);
    assert_eq!(proxy.charges() - before, base + 9_490 * (1 + 18));
}

#[test]
fn pricing_version_2_runs_out_of_cycles() {
    let mut proxy = Proxy::new();
    let args = Args {
        pricing_version: Some(2),
        ..args()
    };
    let base = 13 * (1_000_000 + 50 * 19 + 140_000 * 13 + 800 * 169);
    let message = proxy.ask("http", &args, base - 1);
    let expected = format!(
        "http_request request sent with {} cycles, but {base} cycles are required.",
        base - 1
    );
    assert_eq!(text(proxy.wait(message)), (4, expected));
    // Each node can pay for its response, but the rest does not pay for the block.
    let spent = 50 * 503;
    let message = proxy.ask("http", &args, base + 13 * 2 * spent);
    proxy.mock(vec![reply(&[7; 500])]).unwrap();
    let expected = format!(
        "Out of cycles: 13 of the assigned replicas reported a collective spend of {} cycles, \
         leaving {} cycles of the attached payment (after base fee deduction). Delivering a \
         response would cost at least {} cycles.",
        13 * spent,
        13 * spent,
        9_490 * encoded_size(&reply(&[7; 500])),
    );
    assert_eq!(text(proxy.wait(message)), (4, expected));
    let message = proxy.ask("http", &args, base + 13 * (spent - 1) + 1_000_000_000);
    proxy.mock(vec![reply(&[7; 500])]).unwrap();
    assert_eq!(proxy.wait(message).0, 0);
    // No node can pay for its response.
    let poor = proxy.ask("http", &args, base + 13 * (spent - 1));
    proxy.mock(vec![reply(&[7; 500])]).unwrap();
    assert_eq!(text(proxy.wait(poor)), (4, "Insufficient cycles".into()));
}

#[test]
fn canisters_can_query_the_cost_of_an_outcall() {
    #[derive(CandidType)]
    struct Cost {
        request_bytes: u64,
        http_roundtrip_time_ms: u64,
        raw_response_bytes: u64,
        transformed_response_bytes: u64,
        transform_instructions: u64,
        outcall_type: Option<Kind>,
    }
    #[derive(CandidType, Deserialize)]
    enum Kind {
        #[serde(rename = "fully_replicated")]
        FullyReplicated(Reserved),
        #[serde(rename = "non_replicated")]
        NonReplicated(Reserved),
    }
    let mut proxy = Proxy::new();
    let id = proxy.id;
    let sizes = [19_u64.to_le_bytes(), 1_000_u64.to_le_bytes()].concat();
    let cost = proxy.net.query(id, "cost", &sizes).unwrap();
    assert_eq!(
        u128::from_le_bytes(cost.try_into().unwrap()),
        fee(19, 1_000)
    );
    // The cost that version 2 quotes for a response is enough for that response.
    let answer = reply(&[7; 500]);
    let size = encoded_size(&answer) as u64;
    for (is_replicated, kind) in [
        (None, Some(Kind::FullyReplicated(Reserved))),
        (Some(false), Some(Kind::NonReplicated(Reserved))),
    ] {
        let usage = encode_one(Cost {
            request_bytes: 19,
            http_roundtrip_time_ms: 0,
            raw_response_bytes: 503,
            transformed_response_bytes: size.max(1025),
            transform_instructions: 0,
            outcall_type: kind,
        })
        .unwrap();
        let cost = proxy.net.query(id, "cost_v2", &usage).unwrap();
        let cost = u128::from_le_bytes(cost.try_into().unwrap());
        let args = Args {
            pricing_version: Some(2),
            is_replicated,
            ..args()
        };
        let message = proxy.ask("http", &args, cost);
        proxy.mock(vec![answer.clone()]).unwrap();
        assert_eq!(response(proxy.wait(message)).body, [7; 500]);
    }
    let reject = proxy.net.query(id, "cost_v2", b"no candid").unwrap_err();
    assert!(
        reject.message.contains("ic0.cost_http_request_v2"),
        "{}",
        reject.message
    );
}

// Flexible outcalls.

#[test]
fn a_flexible_outcall_delivers_several_responses() {
    let mut proxy = Proxy::new();
    let answers = vec![reply(b"ccc"), reply(b"a"), reply(b"dddd"), reply(b"bb")];
    // The smallest first.
    let all = proxy.flexible([4, 4, 4], answers.clone());
    assert_eq!(
        bodies(all),
        [
            b"a".to_vec(),
            b"bb".to_vec(),
            b"ccc".to_vec(),
            b"dddd".to_vec()
        ]
    );
    let two = proxy.flexible([4, 1, 2], answers.clone());
    assert_eq!(bodies(two), [b"a".to_vec(), b"bb".to_vec()]);
    // Without counts all 13 nodes make the outcall, and 9 responses are enough.
    let message = proxy.ask("flexible", &args(), T);
    let replication = proxy.pending().replication;
    assert_eq!(
        replication,
        Replication::Flexible {
            total_requests: 13,
            min_responses: 9,
            max_responses: 13
        }
    );
    // One call can answer for all nodes.
    proxy.mock(vec![reply(b"x")]).unwrap();
    let (_, result) = proxy.wait(message);
    assert_eq!(
        bodies(decode_one(&result).unwrap()),
        vec![b"x".to_vec(); 13]
    );
    // With a minimum of 0 responses the outcall does not wait for an answer.
    for answer in [reply(b"x"), connection_refused()] {
        assert!(bodies(proxy.flexible([4, 0, 0], vec![answer])).is_empty());
    }
}

#[test]
fn a_flexible_outcall_is_charged_for_delivered_responses() {
    let mut proxy = Proxy::new();
    let answer = reply(&[7; 500]);
    proxy.flexible([4, 2, 3], vec![answer.clone(); 4]);
    let base = 13 * (1_000_000 + 50 * 19 + 90_000 * 13 + 2 * (2_000 * 13 + 100_000));
    let nodes = 4 * (50 * 503 + 13 * 50 * encoded_size(&answer));
    let block = 3 * 9_490 * (181 + encoded_size(&answer)) + 13 * (2_000 * 13 + 100_000);
    assert_eq!(proxy.charges(), base + nodes + block);
}

#[test]
fn too_many_rejects_end_a_flexible_outcall() {
    let mut proxy = Proxy::new();
    let answers = vec![
        connection_refused(),
        connection_refused(),
        reply(b"x"),
        reply(b"x"),
    ];
    let error = failure(proxy.flexible([4, 3, 4], answers));
    assert_eq!(
        error.global_error,
        Some(GlobalError::TooManyRejects(Reserved))
    );
    assert_eq!(error.message, "Too many rejects: 2 responses are rejects");
    let nodes = &proxy.net.replica.subnets()[0].nodes;
    for detail in &error.node_details {
        assert!(nodes.contains(&detail.node_id));
        let error = detail.error.as_ref().unwrap();
        assert_eq!(
            (&*error.code, &*error.message),
            ("SysTransient", "Connection refused")
        );
    }
    assert_eq!(error.node_details.len(), 2);
    assert_ne!(error.node_details[0].node_id, error.node_details[1].node_id);
}

#[test]
fn a_flexible_outcall_waits_for_silent_nodes_until_it_times_out() {
    let mut proxy = Proxy::new();
    let message = proxy.ask("flexible", &flexible_args([4, 3, 4]), T);
    let PendingOutcall { subnet, id, .. } = proxy.pending();
    let replica = &mut proxy.net.replica;
    let error = replica
        .answer_flexible_outcall(subnet, id, vec![reply(b"x"); 5])
        .unwrap_err();
    assert!(
        error.starts_with("TooManyMockCanisterHttpResponses((5, 4))"),
        "{error}"
    );
    replica
        .answer_flexible_outcall(subnet, id, vec![reply(b"x")])
        .unwrap();
    replica.tick();
    assert!(replica.pending_outcalls().is_empty());
    proxy.advance(60_000_000_001);
    let (code, result) = proxy.wait(message);
    assert_eq!(code, 0);
    let error = failure(decode_one(&result).unwrap());
    assert_eq!(error.global_error, Some(GlobalError::Timeout(Reserved)));
    assert_eq!(error.message, "Flexible HTTP request timed out");
}

#[test]
fn responses_that_do_not_fit_into_a_block_end_a_flexible_outcall() {
    let mut proxy = Proxy::new();
    let large = Args {
        max_response_bytes: None,
        ..flexible_args([2, 2, 2])
    };
    let message = proxy.ask("flexible", &large, T);
    let PendingOutcall { subnet, id, .. } = proxy.pending();
    let answers = vec![reply(&[7; 1_100_000]); 2];
    proxy
        .net
        .replica
        .answer_flexible_outcall(subnet, id, answers)
        .unwrap();
    let (_, result) = proxy.wait(message);
    let error = failure(decode_one(&result).unwrap());
    assert_eq!(
        error.global_error,
        Some(GlobalError::ResponsesTooLarge(Reserved))
    );
    let start = "Responses too large: need at least 2 OK responses to fit within 2097152 bytes";
    assert!(error.message.starts_with(start), "{}", error.message);
    assert_eq!(error.node_details.len(), 2);
    // One of the two responses fits.
    let large = Args {
        replication: flexible_args([2, 1, 2]).replication,
        ..large
    };
    let message = proxy.ask("flexible", &large, T);
    let PendingOutcall { subnet, id, .. } = proxy.pending();
    let answers = vec![reply(&[7; 1_100_000]); 2];
    proxy
        .net
        .replica
        .answer_flexible_outcall(subnet, id, answers)
        .unwrap();
    let (_, result) = proxy.wait(message);
    assert_eq!(bodies(decode_one(&result).unwrap()).len(), 1);
}

#[test]
fn a_flexible_outcall_runs_out_of_cycles() {
    let mut proxy = Proxy::new();
    let base = 13 * (1_000_000 + 50 * 19 + 90_000 * 13 + 4 * (2_000 * 13 + 100_000));
    let answer = reply(&[7; 500]);
    let spent = 50 * 503 + 13 * 50 * encoded_size(&answer);
    let message = proxy.ask("flexible", &flexible_args([4, 4, 4]), base + 4 * 2 * spent);
    let PendingOutcall { subnet, id, .. } = proxy.pending();
    proxy
        .net
        .replica
        .answer_flexible_outcall(subnet, id, vec![answer; 4])
        .unwrap();
    let (_, result) = proxy.wait(message);
    let error = failure(decode_one(&result).unwrap());
    assert_eq!(error.global_error, Some(GlobalError::OutOfCycles(Reserved)));
    let start = format!(
        "Out of cycles: 4 of the assigned replicas reported a collective spend of {} cycles, \
         leaving {} cycles",
        4 * spent,
        4 * spent
    );
    assert!(error.message.starts_with(&start), "{}", error.message);
    assert_eq!(error.node_details.len(), 4);
    let detail = error.node_details[0].error.as_ref().unwrap();
    assert_eq!(detail.message, format!("{spent} cycles spent"));
}

/// Beta features as the changelog of the `pocket-ic` client describes them for its version 16.0.0.
/// A price that is not allowed becomes the default one, `dfinity/ic
/// rs/types/management_canister_types/src/http.rs` (`ALLOWED_HTTP_OUTCALLS_PRICING_VERSIONS`).
#[test]
fn flexible_outcalls_and_prices_by_use_are_beta_where_outcalls_are_charged() {
    for (kind, is_free, has_them) in [
        (SubnetKind::Application, false, false),
        (SubnetKind::Application, true, true),
        (SubnetKind::System, false, true),
    ] {
        let options = SubnetOptions {
            is_free,
            ..SubnetOptions::default()
        };
        let mut proxy = Proxy::of(Config {
            subnets: vec![kind],
            options: [(0, options)].into(),
            ..Config::default()
        });
        let by_use = Args {
            pricing_version: Some(2),
            ..args()
        };
        let message = proxy.ask("http", &by_use, T);
        assert_eq!(proxy.pending().pay_as_you_go, has_them);
        proxy.mock(vec![reply(b"x")]).unwrap();
        assert_eq!(proxy.wait(message).0, 0);
        let message = proxy.ask("flexible", &args(), T);
        if has_them {
            proxy.mock(vec![reply(b"x")]).unwrap();
        }
        let (code, answer) = proxy.wait(message);
        assert_eq!(code == 0, has_them);
        if !has_them {
            let why = String::from_utf8(answer).unwrap();
            assert!(
                why.contains("This API is not enabled on this subnet"),
                "{why}"
            );
        }
    }
}
