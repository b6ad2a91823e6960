//! Response verification by HTTP gateways. The specification: dfinity/developer-docs,
//! docs/references/http-gateway-protocol-spec.md.

use std::{io::Write, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use candid::Principal;
use flate2::Compression;
use ic_certification::{Certificate, fork, label, leaf};
use ic_http_certification::{
    CERTIFICATE_EXPRESSION_HEADER_NAME, CERTIFICATE_HEADER_NAME, CelExpression,
    HttpCertificationPath, HttpCertificationTree,
};
use sha2::{Digest, Sha256};

use crate::{
    common::{builder, only_ours},
    gateway::{Answer, ask},
    site::{
        Certified, SITE, Site, UPDATE, assets, cbor, certify, full, response, response_only,
        version_1,
    },
};

/// Specification, "Request Hash Calculation" and "Response Hash Calculation". What is not certified
/// is not passed on: dfinity/http-gateway, src/protocol/handler.rs.
#[test]
fn a_certified_page_is_served_with_its_certified_headers() {
    let site = Site::start();
    let path = HttpCertificationPath::exact("/shop/cart");
    let page = Certified::new(&full(), path, "/shop/cart?a=b", response(201, "two books"));
    site.publish(&[page]);
    let accept = "accept: text/plain\r\n";
    let page = site.ask("GET", "/shop/cart?c=d&a=b", accept);
    assert_eq!((page.status, page.body.as_str()), (201, "two books"));
    assert!(page.head.contains("content-type: text/plain"));
    assert!(page.head.contains("ic-certificate: certificate=:"));
    assert!(!page.head.contains("x-other"), "{}", page.head);
    // The certificate is about the method, the header, the parameter and the path.
    let others = [
        ("POST", "/shop/cart?a=b", accept),
        ("GET", "/shop/cart?a=b", ""),
        ("GET", "/shop/cart?a=c", accept),
        ("GET", "/shop/cart", accept),
    ];
    for (method, path, headers) in others {
        let page = site.ask(method, path, headers);
        site.assert_refused(&page, "the tree has no leaf for this request and response");
    }
    for path in ["/shop/cart/?a=b", "/shop?a=b", "/?a=b"] {
        site.assert_refused(&site.ask("GET", path, accept), "is not that of");
    }
}

/// Specification, "Response Verification Outline". The words of the refusal are those of
/// dfinity/ic-gateway, src/routing/error_cause.rs.
#[test]
fn what_is_not_certified_is_refused_except_under_raw() {
    let site = Site::start();
    let plain = |body: &str| Answer {
        status_code: 200,
        headers: vec![],
        body: body.as_bytes().to_vec().into(),
        upgrade: None,
        streaming_strategy: None,
    };
    site.fill(0, &plain("hello"));
    let refused = site.get("/");
    site.assert_refused(&refused, "the response has no header IC-Certificate");
    assert!(
        refused
            .body
            .contains("The response from the canister failed verification and cannot be trusted."),
        "{}",
        refused.body
    );
    let with_id = format!("/?canisterId={}", site.canister);
    let refused = ask(&site.pic, "GET", &with_id, "host: localhost\r\n");
    site.assert_refused(&refused, "the response has no header IC-Certificate");
    let host = format!("host: {}.raw.localhost\r\n", site.canister);
    let page = ask(&site.pic, "GET", "/", &host);
    assert_eq!((page.status, page.body.as_str()), (200, "hello"));
}

#[test]
fn an_answer_that_differs_from_its_certificate_is_refused() {
    let site = Site::start();
    let page = hello();
    let mut tree = HttpCertificationTree::default();
    tree.insert(&page.entry());
    let certificate = site.certify(tree.root_hash());
    let good = || page.answer(&tree, &certificate);
    site.fill(0, &good());
    assert_eq!(site.get("/page").body, "hello");
    let no_leaf = "the tree has no leaf for this request and response";
    let replaced = |header: &str, from: &str, to: &str| {
        let mut answer = good();
        for (name, value) in &mut answer.headers {
            if name.eq_ignore_ascii_case(header) {
                *value = value.replacen(from, to, 1);
            }
        }
        answer
    };
    let changed = |change: fn(&mut Answer)| {
        let mut answer = good();
        change(&mut answer);
        answer
    };
    let certificate_header = CERTIFICATE_HEADER_NAME;
    let nested = format!("certificate=:{}:, x=:", STANDARD.encode([0x81; 60_000]));
    let cases = [
        (
            changed(|answer| answer.body = b"hullo".to_vec().into()),
            no_leaf,
        ),
        (changed(|answer| answer.status_code = 404), no_leaf),
        (replaced("content-type", "plain", "html"), no_leaf),
        (
            changed(|answer| answer.headers.push(("set-cookie".into(), "a=b".into()))),
            no_leaf,
        ),
        (
            replaced(CERTIFICATE_EXPRESSION_HEADER_NAME, "X-Other", "X-Others"),
            "the tree has no IC-CertificateExpression",
        ),
        (
            changed(|answer| {
                answer
                    .headers
                    .retain(|(name, _)| !name.ends_with("Expression"))
            }),
            "the response has no header IC-CertificateExpression",
        ),
        (
            replaced(certificate_header, "version=2", "version=3"),
            "version 3",
        ),
        (
            replaced(certificate_header, "version=2", "version=x"),
            "the version `x`",
        ),
        (
            replaced(certificate_header, "expr_path", "path"),
            "no expr_path",
        ),
        (replaced(certificate_header, "tree=", "wood="), "no tree"),
        (
            replaced(certificate_header, "certificate=", "c="),
            "no certificate",
        ),
        (
            replaced(certificate_header, "certificate=:", "certificate=:!"),
            "not Base64",
        ),
        (
            replaced(certificate_header, "certificate=:", "certificate=:AAAA"),
            "not the CBOR",
        ),
        (
            replaced(certificate_header, "certificate=:", &nested),
            "not the CBOR",
        ),
    ];
    for (answer, why) in cases {
        site.fill(0, &answer);
        site.assert_refused(&site.get("/page"), why);
    }
    // The certificate of other certified data.
    site.fill(0, &page.answer(&tree, &site.certify([7; 32])));
    let why = "the tree is not the one of the canister's certified data";
    site.assert_refused(&site.get("/page"), why);
}

fn hello() -> Certified {
    Certified::new(
        &response_only(),
        HttpCertificationPath::exact("/page"),
        "/page",
        response(200, "hello"),
    )
}

/// Specification, "Certificate Validation".
#[test]
fn a_certificate_must_be_signed_and_be_of_the_canister() {
    let site = Site::start();
    let mut tree = HttpCertificationTree::default();
    tree.insert(&hello().entry());
    let good = site.certify(tree.root_hash());
    site.fill(0, &hello().answer(&tree, &good));
    assert_eq!(site.get("/page").body, "hello");
    // Another canister of the subnet.
    let other = site.pic.create_canister();
    let module = wat::parse_str(SITE).unwrap();
    site.pic.install_canister(other, module, vec![], None);
    let certificate = certify(&site.pic, other, tree.root_hash());
    site.fill(0, &hello().answer(&tree, &certificate));
    site.assert_refused(&site.get("/page"), "does not reveal the certified data");
    // A changed signature, and a tree that nobody signed.
    let mut forged: Certificate = serde_cbor::from_slice(&good).unwrap();
    forged.signature[9] ^= 1;
    site.fill(0, &hello().answer(&tree, &cbor(&forged)));
    site.assert_refused(&site.get("/page"), "the signature of the certificate");
    forged.signature[9] ^= 1;
    forged.tree = label("time", leaf([0]));
    site.fill(0, &hello().answer(&tree, &cbor(&forged)));
    site.assert_refused(&site.get("/page"), "the certificate is of 0");
}

/// Specification, "Certificate Validation": the delegation must be valid for the canister.
#[test]
fn the_root_key_delegates_to_the_subnet_of_the_canister() {
    let pic = builder()
        .with_nns_subnet()
        .with_application_subnet()
        .with_application_subnet()
        .build();
    let subnets = pic.topology().get_app_subnets();
    let [own, other] = [subnets[0], subnets[1]].map(|subnet| {
        let canister = pic.create_canister_on_subnet(None, None, subnet);
        pic.add_cycles(canister, 10_000_000_000_000);
        canister
    });
    let module = wat::parse_str(SITE).unwrap();
    pic.install_canister(other, module.clone(), vec![], None);
    let site = Site::at(pic, own, &module);
    let mut tree = HttpCertificationTree::default();
    tree.insert(&hello().entry());
    let good = site.certify(tree.root_hash());
    site.fill(0, &hello().answer(&tree, &good));
    assert_eq!(site.get("/page").body, "hello");
    let foreign = certify(&site.pic, other, tree.root_hash());
    site.fill(0, &hello().answer(&tree, &foreign));
    site.assert_refused(&site.get("/page"), "of a subnet that does not host");
    // Without the delegation, with that of the other subnet, and with a forged one.
    let read = |bytes: &[u8]| -> Certificate { serde_cbor::from_slice(bytes).unwrap() };
    let mut forged = read(&good);
    assert!(forged.delegation.take().is_some());
    site.fill(0, &hello().answer(&tree, &cbor(&forged)));
    site.assert_refused(&site.get("/page"), "the signature of the certificate");
    forged.delegation = read(&good).delegation;
    let delegation = forged.delegation.as_mut().unwrap();
    let mut inner = read(&delegation.certificate);
    inner.signature[9] ^= 1;
    delegation.certificate = cbor(&inner);
    site.fill(0, &hello().answer(&tree, &cbor(&forged)));
    site.assert_refused(&site.get("/page"), "the signature of the certificate");
    let delegation = forged.delegation.as_mut().unwrap();
    delegation.certificate.clone_from(&good);
    site.fill(0, &hello().answer(&tree, &cbor(&forged)));
    site.assert_refused(&site.get("/page"), "has a delegation itself");
}

/// Specification, "Certificate Validation": at most five minutes old.
#[test]
fn an_old_certificate_is_refused() {
    if !only_ours("this server judges certificates by the clock of the computer") {
        return;
    }
    let site = Site::start();
    site.publish(&[hello()]);
    site.pic.advance_time(Duration::from_secs(240));
    assert_eq!(site.get("/page").status, 200);
    site.pic.advance_time(Duration::from_secs(61));
    site.assert_refused(&site.get("/page"), "nanoseconds since 1970");
    site.publish(&[hello()]);
    assert_eq!(site.get("/page").status, 200);
}

/// Specification, "The Certificate Expression Header": `no_certification`.
#[test]
fn a_canister_can_certify_that_a_page_has_no_certificate() {
    let site = Site::start();
    let skip = CelExpression::Default(ic_http_certification::cel::DefaultCelExpression::Skip);
    let path = HttpCertificationPath::wildcard("/live");
    let page = Certified::new(&skip, path, "/live/time", response(200, "noon"));
    site.publish(&[page]);
    let page = site.get("/live/time");
    assert_eq!((page.status, page.body.as_str()), (200, "noon"));
    assert!(page.head.contains("x-other: not certified"));
    // It is about these paths only.
    site.assert_refused(&site.get("/other"), "does not cover");
}

/// Specification, "Expression Path": the path must be the most specific one in the tree.
#[test]
fn a_wildcard_is_for_pages_without_a_path_of_their_own() {
    let site = Site::start();
    let of = |path: HttpCertificationPath<'static>, url, body, slot| {
        Certified::new(&response_only(), path, url, response(404, body)).in_slot(slot)
    };
    let everywhere = || of(HttpCertificationPath::wildcard("/"), "/x", "root", 0);
    site.publish(&[everywhere()]);
    for path in ["/", "/x", "/x/", "/x/y?z"] {
        let page = site.get(path);
        assert_eq!((page.status, page.body.as_str()), (404, "root"), "{path}");
    }
    // Slots beyond 0 are certified, and not answered with.
    site.publish(&[
        everywhere(),
        of(HttpCertificationPath::exact("/x"), "/x", "exact", 5),
        of(HttpCertificationPath::wildcard("/a"), "/a/b", "below", 6),
    ]);
    // The witness of `/x` shows that there is a more specific path, or hides whether there is one.
    for path in ["/x", "/a", "/a/b", "/a/b/c/d"] {
        site.assert_refused(&site.get(path), "more specific");
    }
}

/// Specification, "Legacy Response Verification".
#[test]
fn version_1_certifies_the_body_below_its_path() {
    let site = Site::start();
    let tree = assets([("/index.html", "start"), ("/page", "hello")]);
    let certificate = site.certify(tree.digest());
    let answer = |body: &str| version_1(&certificate, &tree, body);
    site.fill(0, &answer("hello"));
    let page = site.get("/page?query");
    assert_eq!((page.status, page.body.as_str()), (200, "hello"));
    assert!(!page.head.contains("cache-control"), "{}", page.head);
    let other_hash = "the body has another hash than the tree";
    site.assert_refused(&site.get("/other"), other_hash);
    site.fill(0, &answer("start"));
    assert_eq!(site.get("/other").body, "start");
    site.assert_refused(&site.get("/page"), other_hash);
    let mut redirect = answer("start");
    redirect.status_code = 302;
    site.fill(0, &redirect);
    site.assert_refused(&site.get("/"), "does not allow redirects");
}

/// Specification, "Legacy Response Verification": gzip and deflate are decoded. Canisters also
/// certify the encoded body: dfinity/response-verification, verify_request_response_pair.rs.
#[test]
fn version_1_certifies_the_decoded_body_or_the_encoded_one() {
    let site = Site::start();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"hello").unwrap();
    let gzip = gzip.finish().unwrap();
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(b"hello").unwrap();
    let deflate = deflate.finish().unwrap();
    let tree = label(
        "http_assets",
        fork(
            label("/encoded", leaf(Sha256::digest(&gzip).to_vec())),
            label("/page", leaf(Sha256::digest("hello").to_vec())),
        ),
    );
    let certificate = site.certify(tree.digest());
    let status = |path: &str| site.get(path).status;
    let answer = |encoding: &str, body: &[u8]| {
        let mut answer = version_1(&certificate, &tree, "");
        answer.body = body.to_vec().into();
        let header = ("content-encoding".to_owned(), encoding.to_owned());
        answer.headers.push(header);
        answer
    };
    site.fill(0, &answer("gzip", &gzip));
    assert_eq!((status("/page"), status("/encoded")), (200, 200));
    site.fill(0, &answer("deflate", &deflate));
    assert_eq!((status("/page"), status("/encoded")), (200, 503));
    site.fill(0, &answer("gzip", &deflate));
    assert_eq!(status("/page"), 503);
}

/// Specification, "Response Verification Version Assertion".
#[test]
fn a_canister_that_supports_version_2_must_not_answer_by_version_1() {
    if !only_ours("this gateway does not look at the metadata") {
        return;
    }
    let with = |section: &str| {
        let module = SITE.replace("(memory 200)", &format!("(memory 200) {section}"));
        wat::parse_str(module).unwrap()
    };
    let section = |name: &str, content: &str| format!(r#"(@custom "{name}" "{content}")"#);
    let public = "icp:public supported_certificate_versions";
    let private = "icp:private supported_certificate_versions";
    let cases = [
        (section(public, "1"), None),
        (section(public, "1,2"), Some("supports version 2")),
        (section(public, "2, 3"), Some("supports version 2")),
        (section(private, "1"), Some("can't be read")),
    ];
    for (section, refusal) in cases {
        let site = Site::of(&with(&section));
        // The anonymous principal, which asks for the metadata, would be a controller.
        let controllers = vec![Principal::management_canister()];
        site.pic
            .set_controllers(site.canister, None, controllers)
            .unwrap();
        let tree = assets([("/index.html", "start"), ("/page", "hello")]);
        let certificate = site.certify(tree.digest());
        site.fill(0, &version_1(&certificate, &tree, "hello"));
        let page = site.get("/page");
        match refusal {
            None => assert_eq!(page.body, "hello"),
            Some(why) => site.assert_refused(&page, why),
        }
    }
}

/// Specification, "Upgrade to Update Calls".
#[test]
fn the_answer_of_an_update_needs_no_certificate() {
    let site = Site::start();
    let answer = |body: &str, upgrade| Answer {
        status_code: 200,
        headers: vec![],
        body: body.as_bytes().to_vec().into(),
        upgrade,
        streaming_strategy: None,
    };
    site.fill(0, &answer("query", Some(true)));
    // The field is ignored in the answer of the update.
    site.fill(UPDATE, &answer("update", Some(true)));
    assert_eq!(site.get("/").body, "update");
    site.fill(0, &answer("query", Some(false)));
    assert_eq!(site.get("/").status, 503);
}
