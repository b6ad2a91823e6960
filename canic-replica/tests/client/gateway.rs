//! HTTP gateways: the pages of a canister as a browser gets them.

use std::net::TcpStream;

use candid::{CandidType, Principal, encode_one};
use pocket_ic::{PocketIc, common::rest::InstanceHttpGatewayConfig};
use serde_bytes::ByteBuf;

use crate::common::{builder, instance, raw};

candid::define_function!(Callback : (Token) -> (Part) query);

#[derive(CandidType, serde::Deserialize)]
struct Token {
    part: u8,
}

#[derive(CandidType)]
struct Part {
    body: ByteBuf,
    token: Option<Token>,
}

#[derive(CandidType)]
enum Strategy {
    Callback { callback: Callback, token: Token },
}

#[derive(CandidType)]
struct Answer {
    status_code: u16,
    headers: Vec<(String, String)>,
    body: ByteBuf,
    upgrade: Option<bool>,
    streaming_strategy: Option<Strategy>,
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

/// Opens `path` as a browser does. A real gateway requires certified answers except under `raw`.
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
