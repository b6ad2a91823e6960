//! HTTP gateways: the pages of a canister as a browser gets them.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use candid::{CandidType, Principal, encode_one};
use pocket_ic::{PocketIc, common::rest::InstanceHttpGatewayConfig};
use serde_bytes::ByteBuf;

use crate::common::{builder, instance, raw};

candid::define_function!(pub(crate) Callback : (Token) -> (Part) query);

#[derive(CandidType, serde::Deserialize)]
pub(crate) struct Token {
    pub(crate) part: u8,
}

/// The result of a streaming callback.
#[derive(CandidType)]
pub(crate) struct Part {
    pub(crate) body: ByteBuf,
    pub(crate) token: Option<Token>,
}

#[derive(CandidType)]
pub(crate) enum Strategy {
    Callback { callback: Callback, token: Token },
}

/// The result of `http_request`.
#[derive(CandidType)]
pub(crate) struct Answer {
    pub(crate) status_code: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: ByteBuf,
    pub(crate) upgrade: Option<bool>,
    pub(crate) streaming_strategy: Option<Strategy>,
}

fn answer(body: &str) -> Answer {
    Answer {
        status_code: 200,
        headers: vec![("content-type".into(), "text/plain".into())],
        body: body.as_bytes().to_vec().into(),
        upgrade: None,
        streaming_strategy: None,
    }
}

/// The module of a canister whose methods always reply with the same bytes.
fn constant_replies(methods: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut wat = String::from(
        r#"(module
        (import "ic0" "msg_reply" (func $reply))
        (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
        (memory 1)"#,
    );
    let mut at = 0;
    for (method, reply) in methods {
        let bytes: String = reply.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let length = reply.len();
        wat.push_str(&format!(
            r#"(data (i32.const {at}) "{bytes}")
            (func (export "{method}")
                (call $append (i32.const {at}) (i32.const {length})) (call $reply))"#
        ));
        at += length;
    }
    wat.push(')');
    wat::parse_str(wat).unwrap()
}

fn install(pic: &PocketIc, methods: &[(&str, Vec<u8>)]) -> Principal {
    let canister = pic.create_canister();
    pic.install_canister(canister, constant_replies(methods), vec![], None);
    canister
}

/// An answer of a gateway, with its header lines in lower case.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Page {
    /// The type of a refusal by the gateway.
    pub(crate) fn error_type(&self) -> String {
        let refusal: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        refusal["error_type"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// Asks the gateway of an instance for `path`. Each of the `headers` ends in a line break.
pub(crate) fn ask(pic: &PocketIc, method: &str, path: &str, headers: &str) -> Page {
    let port = pic.url().unwrap().port().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Page {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

/// Opens `path` as a browser does. The gateway requires certified answers except under `raw`.
fn browse(pic: &PocketIc, canister: Principal, path: &str) -> (u16, String) {
    let port = pic.url().unwrap().port().unwrap();
    raw(
        port,
        "GET",
        path,
        &format!("host: {canister}.raw.localhost:{port}\r\n"),
        "",
    )
}

#[test]
fn a_page_is_served_by_a_query() {
    let mut pic = instance();
    let mut page = answer("not here");
    page.status_code = 404;
    let canister = install(
        &pic,
        &[("canister_query http_request", encode_one(page).unwrap())],
    );
    pic.make_live(None);
    assert!(pic.auto_progress_enabled());
    assert_eq!(
        browse(&pic, canister, "/page?of=book"),
        (404, "not here".to_owned())
    );
    let port = pic.url().unwrap().port().unwrap();
    pic.stop_live();
    assert!(!pic.auto_progress_enabled());
    assert_eq!(pic.url(), None);
    // The port is free again.
    let again = pic.make_live(Some(port));
    assert_eq!(again.port(), Some(port));
    assert_eq!(browse(&pic, canister, "/"), (404, "not here".to_owned()));
}

#[test]
fn a_page_can_be_upgraded_to_an_update() {
    let mut pic = instance();
    let mut page = answer("from the query");
    page.upgrade = Some(true);
    let methods = [
        ("canister_query http_request", encode_one(page).unwrap()),
        (
            "canister_update http_request_update",
            encode_one(answer("from the update")).unwrap(),
        ),
    ];
    let canister = install(&pic, &methods);
    pic.make_live(None);
    assert_eq!(
        browse(&pic, canister, "/"),
        (200, "from the update".to_owned())
    );
}

#[test]
fn a_long_page_is_streamed() {
    let mut pic = instance();
    let canister = pic.create_canister();
    let mut page = answer("one, ");
    page.streaming_strategy = Some(Strategy::Callback {
        callback: Callback::new(canister, "second".into()),
        token: Token { part: 2 },
    });
    let last = Part {
        body: b"two".to_vec().into(),
        token: None,
    };
    let methods = [
        ("canister_query http_request", encode_one(page).unwrap()),
        ("canister_query second", encode_one(last).unwrap()),
    ];
    pic.install_canister(canister, constant_replies(&methods), vec![], None);
    pic.make_live(None);
    let (status, body) = browse(&pic, canister, "/");
    assert_eq!(status, 200);
    assert!(body.contains("one, ") && body.contains("two"), "{body}");
}

#[test]
fn an_instance_can_be_created_with_a_gateway_that_closes_with_it() {
    let config = InstanceHttpGatewayConfig {
        ip_addr: None,
        port: None,
        domains: None,
        https_config: None,
        domain_custom_provider_local_file: None,
    };
    let pic = builder()
        .with_application_subnet()
        .with_http_gateway(config)
        .build();
    let port = pic.url().unwrap().port().unwrap();
    let canister = install(
        &pic,
        &[(
            "canister_query http_request",
            encode_one(answer("hello")).unwrap(),
        )],
    );
    assert_eq!(browse(&pic, canister, "/"), (200, "hello".to_owned()));
    drop(pic);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn unknown_hosts_and_canisters_without_pages_are_errors() {
    let mut pic = instance();
    let without = install(&pic, &[("canister_query other", vec![])]);
    let malformed = install(
        &pic,
        &[("canister_query http_request", b"no Candid".to_vec())],
    );
    pic.make_live(None);
    let port = pic.url().unwrap().port().unwrap();
    let status = |host: &str| raw(port, "GET", "/", &format!("host: {host}\r\n"), "").0;
    assert_eq!(status("localhost"), 400);
    assert_eq!(status("nonsense.localhost"), 400);
    // Each of the two gateways has its own status for a canister without a valid answer.
    for canister in [without, malformed] {
        let (status, body) = browse(&pic, canister, "/");
        assert!(
            (400..600).contains(&status) && status != 501,
            "{status} {body}"
        );
    }
}

/// The words of dfinity/ic-gateway, src/routing/error_cause.rs.
#[test]
fn refusals_name_their_type_as_the_gateways_of_the_network_do() {
    let mut pic = instance();
    let without = install(&pic, &[("canister_query other", vec![])]);
    let malformed = install(
        &pic,
        &[("canister_query http_request", b"no Candid".to_vec())],
    );
    let missing = Principal::from_slice(&[0, 0, 0, 0, 0xff, 0xff, 0, 1, 1, 1]);
    let empty = pic.create_canister();
    pic.make_live(None);
    let cases = [
        (format!("{without}.localhost"), 503, "canister_error"),
        (format!("{empty}.localhost"), 503, "canister_error"),
        (
            format!("{malformed}.localhost"),
            503,
            "backend_http_gateway",
        ),
        (
            format!("{missing}.localhost"),
            404,
            "canister_route_not_found",
        ),
        ("some.localhost".to_owned(), 400, "canister_id_not_resolved"),
    ];
    for (host, status, error_type) in cases {
        let page = ask(&pic, "GET", "/page", &format!("host: {host}\r\n"));
        assert_eq!(page.status, status, "{host}: {}", page.body);
        assert_eq!(page.error_type(), error_type, "{host}");
        let cause = format!("x-ic-error-cause: {error_type}");
        assert!(page.head.contains(&cause), "{}", page.head);
    }
    let wrong = ask(&pic, "GET", "/?canisterId=aa", "host: localhost\r\n");
    assert_eq!(wrong.error_type(), "canister_id_incorrect");
    let body = "x".repeat((10 << 20) + 1);
    let port = pic.url().unwrap().port().unwrap();
    let host = format!("host: {without}.localhost\r\n");
    assert_eq!(raw(port, "POST", "/", &host, body).0, 413);
}

/// dfinity/ic-gateway, src/routing/domain.rs: the flag for any host is set without domains.
#[test]
fn a_gateway_serves_the_hosts_that_it_was_created_for() {
    let page = encode_one(answer("hello")).unwrap();
    let of = |domains: Option<Vec<&str>>| {
        let mut pic = instance();
        let canister = install(&pic, &[("canister_query http_request", page.clone())]);
        let domains = domains.map(|domains| domains.into_iter().map(str::to_owned).collect());
        pic.make_live_with_params(None, None, domains, None);
        (pic, canister)
    };
    let status = |pic: &PocketIc, path: &str, host: &str| {
        ask(pic, "GET", path, &format!("host: {host}\r\n")).status
    };
    let (any, canister) = of(None);
    let with_id = format!("/?canisterId={canister}");
    assert_eq!(
        status(&any, "/", &format!("{canister}.raw.localhost:80")),
        200
    );
    // It is served, and refused only because it has no certificate.
    for (path, host) in [
        ("/", format!("{canister}.some.example.dev")),
        (&with_id, "some.example.dev".to_owned()),
    ] {
        let page = ask(&any, "GET", path, &format!("host: {host}\r\n"));
        assert_eq!(page.error_type(), "backend_response_verification");
    }
    let (only, canister) = of(Some(vec!["example.org"]));
    let with_id = format!("/?canisterId={canister}");
    assert_eq!(
        status(&only, "/", &format!("{canister}.raw.example.org")),
        200
    );
    for path in ["/", &with_id, "/api/v2/status"] {
        let page = ask(&only, "GET", path, "host: localhost\r\n");
        assert_eq!(
            (page.status, page.error_type().as_str()),
            (400, "client_unknown_domain")
        );
    }
    assert_eq!(status(&only, "/api/v2/status", "example.org"), 200);
    assert_eq!(status(&only, "/_/topology", "localhost"), 200);
}

/// The headers of dfinity/ic-gateway, src/routing/middleware/cors.rs.
#[test]
fn pages_of_other_origins_may_ask_every_canister() {
    let mut pic = instance();
    let mut page = answer("hello");
    page.headers
        .push(("access-control-allow-origin".into(), "http://own".into()));
    let canister = install(
        &pic,
        &[("canister_query http_request", encode_one(page).unwrap())],
    );
    pic.make_live(None);
    let host = format!("host: {canister}.raw.localhost\r\norigin: http://localhost:5173\r\n");
    let page = ask(&pic, "GET", "/", &host);
    assert_eq!(page.status, 200);
    let lines = [
        "access-control-allow-origin: *",
        "access-control-expose-headers: accept-ranges,content-length,content-range,",
        "vary: origin, access-control-request-method, access-control-request-headers",
        &format!("x-ic-canister-id: {canister}"),
    ];
    for line in lines {
        assert!(page.head.contains(line), "{line}: {}", page.head);
    }
    // The gateway's value replaces the canister's.
    assert!(!page.head.contains("http://own"), "{}", page.head);
    // Refusals can be read, too.
    let certified = format!("host: {canister}.localhost\r\n");
    let refused = ask(&pic, "GET", "/", &certified);
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("access-control-allow-origin: *"));
}

/// dfinity/ic-gateway, tests/integration_tests/cors_headers_test.rs.
#[test]
fn the_gateway_answers_preflight_requests_itself() {
    let mut pic = instance();
    // It would trap.
    let canister = install(&pic, &[("canister_query other", vec![])]);
    pic.make_live(None);
    let preflight = "origin: http://localhost:5173\r\naccess-control-request-method: PUT\r\n";
    let cases = [
        ("/page", "head,get,post,put,delete,patch"),
        ("/api/v2/status", "head,get"),
        ("/api/v2/canister/aaaaa-aa/query", "post"),
        ("/api/v4/canister/aaaaa-aa/call", "post"),
    ];
    for (path, methods) in cases {
        let headers = format!("host: {canister}.localhost\r\n{preflight}");
        let page = ask(&pic, "OPTIONS", path, &headers);
        assert_eq!((page.status, page.body.as_str()), (200, ""));
        let lines = [
            "access-control-allow-origin: *",
            &format!("access-control-allow-methods: {methods}\r\n"),
            "access-control-allow-headers: user-agent,dnt,if-none-match,",
            "access-control-max-age: 7200",
        ];
        for line in lines {
            assert!(page.head.contains(line), "{path}, {line}: {}", page.head);
        }
    }
}
