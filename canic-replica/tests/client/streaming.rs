//! Pages that HTTP gateways put together from several answers of a canister.

use candid::Principal;
use ic_http_certification::{HttpCertificationPath, HttpCertificationTree};

use crate::{
    common::only_ours,
    gateway::{Answer, Callback, Part, Strategy, Token},
    site::{Certified, MORE, Site, response, response_only},
};

/// dfinity/developer-docs docs/references/http-gateway-protocol-spec.md, "Response Body
/// Streaming": uncertified chunks are not passed on, and the callback
/// is a method of the canister.
#[test]
fn a_streamed_body_is_verified_as_a_whole() {
    let site = Site::start();
    let page = Certified::new(
        &response_only(),
        HttpCertificationPath::exact("/long"),
        "/long",
        response(200, "one, two"),
    );
    let mut tree = HttpCertificationTree::default();
    tree.insert(&page.entry());
    let certificate = site.certify(tree.root_hash());
    let streamed = |canister: Principal| {
        let mut answer = page.answer(&tree, &certificate);
        answer.body = b"one, ".to_vec().into();
        answer.streaming_strategy = Some(Strategy::Callback {
            callback: Callback::new(canister, "more".into()),
            token: Token { part: 2 },
        });
        answer
    };
    let part = |body: &str| Part {
        body: body.as_bytes().to_vec().into(),
        token: None,
    };
    site.fill(0, &streamed(site.canister));
    site.fill(MORE, &part("two"));
    assert_eq!(site.get("/long").body, "one, two");
    site.fill(MORE, &part("ten"));
    site.assert_refused(&site.get("/long"), "the tree has no leaf");
    if only_ours("this gateway streams without end") {
        let endless = Part {
            token: Some(Token { part: 3 }),
            ..part("two")
        };
        site.fill(MORE, &endless);
        let page = site.get("/long");
        assert!(page.body.contains("more than 1000 calls"), "{}", page.body);
        site.fill(0, &streamed(Principal::management_canister()));
        let page = site.get("/long");
        let why = "the streaming callback is not a method of the canister";
        assert!(
            page.status == 503 && page.body.contains(why),
            "{}",
            page.body
        );
    }
}

/// dfinity/http-gateway, src/response/response_handler.rs: a browser that asks for a whole page
/// gets all ranges, each of them verified.
#[test]
fn ranges_are_joined_and_verified_one_by_one() {
    let site = Site::start();
    let range = |slot, body: &'static str, range: &str| {
        let mut response = response(206, body);
        response.add_header(("content-range".to_owned(), range.to_owned()));
        let path = HttpCertificationPath::exact("/long");
        Certified::new(&response_only(), path, "/long", response).in_slot(slot)
    };
    // The second range overlaps the first.
    site.publish(&[
        range(0, "0123456789", "bytes 0-9/25"),
        range(1, "89abcdefghij", "bytes 8-19/25"),
        range(2, "klmno", "bytes 20-24/25"),
    ]);
    let page = site.get("/long");
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.body, "0123456789abcdefghijklmno");
    assert!(!page.head.contains("\r\ncontent-range:"), "{}", page.head);
    assert!(page.head.contains("content-length: 25"), "{}", page.head);
    let part = site.ask("GET", "/long", "range: bytes=20-\r\n");
    assert_eq!((part.status, part.body.as_str()), (206, "klmno"));
    assert!(part.head.contains("\r\ncontent-range: bytes 20-24/25"));

    if !only_ours("this gateway breaks off when a later range is wrong") {
        return;
    }
    let first = || range(0, "0123456789", "bytes 0-9/20");
    let wrong = [
        ("abcdefghij", "bytes 11-20/21", "out-of-order"),
        ("abcdefghij", "bytes 0-9/20", "out-of-order"),
        ("abcdefghij", "bytes 10-18/20", "inconsistent"),
        ("abcdefghij", "bytes 10-19/19", "inconsistent"),
        ("abcdefghij", "10-19/20", "Invalid"),
    ];
    for (body, header, why) in wrong {
        site.publish(&[first(), range(1, body, header)]);
        let page = site.get("/long");
        assert!(
            page.status == 503 && page.body.contains(why),
            "{}",
            page.body
        );
    }
    site.publish(&[first(), range(1, "abcdefghij", "bytes 10-19/20")]);
    assert_eq!(site.get("/long").status, 200);
    let forged = Answer {
        status_code: 206,
        headers: vec![("content-range".into(), "bytes 10-19/20".into())],
        body: b"abcdefghij".to_vec().into(),
        upgrade: None,
        streaming_strategy: None,
    };
    site.fill(1, &forged);
    site.assert_refused(&site.get("/long"), "no header IC-Certificate");
}
