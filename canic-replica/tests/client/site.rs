//! A canister that certifies its pages, and the certificates. They are made by the crate
//! `ic-http-certification`, as canisters do.

use base64::{Engine, engine::general_purpose::STANDARD};
use candid::{CandidType, Principal, encode_one};
use ic_certification::{HashTree, fork, label, leaf};
use ic_http_certification::{
    CERTIFICATE_EXPRESSION_HEADER_NAME, CERTIFICATE_HEADER_NAME, CelExpression, DefaultCelBuilder,
    DefaultResponseCertification, HttpCertification, HttpCertificationPath, HttpCertificationTree,
    HttpCertificationTreeEntry, HttpRequest, HttpResponse, StatusCode,
    utils::add_v2_certificate_header,
};
use pocket_ic::PocketIc;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    common::instance,
    gateway::{Answer, Page, ask},
};

/// A canister that certifies what it is told to, and answers from slots: `http_request` from 0, or
/// from the first digit of a range; the streaming callback from 7, and the update from 8.
pub(crate) const SITE: &str = r#"
(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
  (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
  (import "ic0" "data_certificate_size" (func $certificate_size (result i32)))
  (import "ic0" "data_certificate_copy" (func $certificate_copy (param i32 i32 i32)))
  (memory 200)
  (func $slot (param i32) (result i32)
    (i32.mul (i32.add (local.get 0) (i32.const 1)) (i32.const 0x100000)))
  (func $answer (param i32)
    (call $append
      (call $slot (local.get 0))
      (i32.load (i32.mul (local.get 0) (i32.const 4))))
    (call $reply))
  ;; The digit behind `bytes=` in the argument, or 0.
  (func $range (result i32) (local $at i32) (local $end i32)
    (call $copy (i32.const 0xb00000) (i32.const 0) (call $size))
    (local.set $at (i32.const 0xb00000))
    (local.set $end (i32.add (local.get $at) (call $size)))
    (loop $next
      (if (i64.eq
            (i64.and (i64.load (local.get $at)) (i64.const 0xffffffffffff))
            (i64.const 0x3d7365747962))
        (then (return (i32.sub (i32.load8_u offset=6 (local.get $at)) (i32.const 48)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (i32.const 0))
  (func (export "canister_update certify")
    (call $copy (i32.const 1024) (i32.const 0) (call $size))
    (call $certify (i32.const 1024) (call $size))
    (call $reply))
  (func (export "canister_query certificate")
    (call $certificate_copy (i32.const 0xb00000) (i32.const 0) (call $certificate_size))
    (call $append (i32.const 0xb00000) (call $certificate_size))
    (call $reply))
  ;; The first byte is the number of the slot.
  (func (export "canister_update fill") (local $slot i32) (local $length i32)
    (call $copy (i32.const 1024) (i32.const 0) (i32.const 1))
    (local.set $slot (i32.load8_u (i32.const 1024)))
    (local.set $length (i32.sub (call $size) (i32.const 1)))
    (call $copy (call $slot (local.get $slot)) (i32.const 1) (local.get $length))
    (i32.store (i32.mul (local.get $slot) (i32.const 4)) (local.get $length))
    (call $reply))
  (func (export "canister_query http_request") (call $answer (call $range)))
  (func (export "canister_query more") (call $answer (i32.const 7)))
  (func (export "canister_update http_request_update") (call $answer (i32.const 8))))
"#;

/// The slot of the streaming callback.
pub(crate) const MORE: u8 = 7;
/// The slot of the update.
pub(crate) const UPDATE: u8 = 8;

/// An instance with the canister [`SITE`] and a gateway.
pub(crate) struct Site {
    pub(crate) pic: PocketIc,
    pub(crate) canister: Principal,
}

impl Site {
    pub(crate) fn start() -> Self {
        Self::of(&wat::parse_str(SITE).unwrap())
    }

    /// With another module than [`SITE`].
    pub(crate) fn of(module: &[u8]) -> Self {
        let pic = instance();
        let canister = pic.create_canister();
        Self::at(pic, canister, module)
    }

    /// On a canister of a given instance.
    pub(crate) fn at(mut pic: PocketIc, canister: Principal, module: &[u8]) -> Self {
        pic.install_canister(canister, module.to_vec(), vec![], None);
        pic.make_live(None);
        Self { pic, canister }
    }

    pub(crate) fn update(&self, method: &str, argument: Vec<u8>) {
        self.pic
            .update_call(self.canister, Principal::anonymous(), method, argument)
            .unwrap();
    }

    /// Certifies a root hash; returns its certificate.
    pub(crate) fn certify(&self, root: [u8; 32]) -> Vec<u8> {
        certify(&self.pic, self.canister, root)
    }

    pub(crate) fn fill(&self, slot: u8, answer: &impl CandidType) {
        let mut argument = vec![slot];
        argument.extend(encode_one(answer).unwrap());
        self.update("fill", argument);
    }

    /// Certifies the responses to `GET path` by version 2, and answers with them.
    pub(crate) fn publish(&self, certified: &[Certified]) {
        let mut tree = HttpCertificationTree::default();
        for one in certified {
            tree.insert(&one.entry());
        }
        let certificate = self.certify(tree.root_hash());
        for one in certified {
            self.fill(one.slot, &one.answer(&tree, &certificate));
        }
    }

    pub(crate) fn get(&self, path: &str) -> Page {
        self.ask("GET", path, "")
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str) -> Page {
        let host = format!("host: {}.localhost\r\n", self.canister);
        ask(&self.pic, method, path, &format!("{host}{headers}"))
    }

    pub(crate) fn assert_refused(&self, page: &Page, why: &str) {
        assert_eq!(page.status, 503, "{}", page.body);
        assert_eq!(page.error_type(), "backend_response_verification");
        assert!(page.body.contains(why), "{why}: {}", page.body);
    }
}

/// Lets a canister with [`SITE`] certify a root hash; returns the certificate.
pub(crate) fn certify(pic: &PocketIc, canister: Principal, root: [u8; 32]) -> Vec<u8> {
    let anonymous = Principal::anonymous();
    pic.update_call(canister, anonymous, "certify", root.to_vec())
        .unwrap();
    pic.query_call(canister, anonymous, "certificate", vec![])
        .unwrap()
}

/// A response with its certification.
pub(crate) struct Certified {
    slot: u8,
    path: HttpCertificationPath<'static>,
    url: &'static str,
    response: HttpResponse<'static>,
    certification: HttpCertification,
}

impl Certified {
    pub(crate) fn new(
        expression: &CelExpression<'_>,
        path: HttpCertificationPath<'static>,
        url: &'static str,
        mut response: HttpResponse<'static>,
    ) -> Self {
        use ic_http_certification::cel::DefaultCelExpression::{Full, ResponseOnly, Skip};
        let CelExpression::Default(kind) = expression;
        response.add_header((
            CERTIFICATE_EXPRESSION_HEADER_NAME.to_owned(),
            expression.to_string(),
        ));
        let request = HttpRequest::get(url)
            .with_headers(vec![("accept".to_owned(), "text/plain".to_owned())])
            .build();
        let certification = match kind {
            Full(full) => HttpCertification::full(full, &request, &response, None).unwrap(),
            ResponseOnly(only) => HttpCertification::response_only(only, &response, None).unwrap(),
            Skip => HttpCertification::skip(),
        };
        Self {
            slot: 0,
            path,
            url,
            response,
            certification,
        }
    }

    /// The same, answered from this slot instead of 0.
    pub(crate) fn in_slot(self, slot: u8) -> Self {
        Self { slot, ..self }
    }

    pub(crate) fn entry(&self) -> HttpCertificationTreeEntry<'_> {
        HttpCertificationTreeEntry::new(&self.path, self.certification)
    }

    pub(crate) fn answer(&self, tree: &HttpCertificationTree, certificate: &[u8]) -> Answer {
        let mut response = self.response.clone();
        add_v2_certificate_header(
            certificate,
            &mut response,
            &tree.witness(&self.entry(), self.url).unwrap(),
            &self.path.to_expr_path(),
        );
        Answer {
            status_code: response.status_code().as_u16(),
            headers: response.headers().to_vec(),
            body: response.body().to_vec().into(),
            upgrade: None,
            streaming_strategy: None,
        }
    }
}

pub(crate) fn response(status: u16, body: &'static str) -> HttpResponse<'static> {
    let headers = [("content-type", "text/plain"), ("x-other", "not certified")];
    HttpResponse::builder()
        .with_status_code(StatusCode::from_u16(status).unwrap())
        .with_headers(headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec())
        .with_body(body.as_bytes())
        .build()
}

/// The header, one query parameter, and one header of the response are certified.
pub(crate) fn full() -> CelExpression<'static> {
    CelExpression::Default(ic_http_certification::cel::DefaultCelExpression::Full(
        DefaultCelBuilder::full_certification()
            .with_request_headers(vec!["Accept"])
            .with_request_query_parameters(vec!["a"])
            .with_response_certification(DefaultResponseCertification::certified_response_headers(
                vec!["Content-Type"],
            ))
            .build(),
    ))
}

/// All headers but one are certified, and nothing of the request.
pub(crate) fn response_only() -> CelExpression<'static> {
    CelExpression::Default(
        ic_http_certification::cel::DefaultCelExpression::ResponseOnly(
            DefaultCelBuilder::response_only_certification()
                .with_response_certification(
                    DefaultResponseCertification::response_header_exclusions(vec!["X-Other"]),
                )
                .build(),
        ),
    )
}

pub(crate) fn cbor(value: &impl Serialize) -> Vec<u8> {
    serde_cbor::to_vec(value).unwrap()
}

/// The answer to a page that version 1 certifies.
pub(crate) fn version_1(certificate: &[u8], tree: &HashTree, body: &str) -> Answer {
    let certificate = STANDARD.encode(certificate);
    let tree = STANDARD.encode(cbor(tree));
    let headers = [
        (
            CERTIFICATE_HEADER_NAME,
            format!("certificate=:{certificate}:, tree=:{tree}:"),
        ),
        ("cache-control", "max-age=9".to_owned()),
    ];
    Answer {
        status_code: 200,
        headers: headers.map(|(n, v)| (n.to_owned(), v)).to_vec(),
        body: body.as_bytes().to_vec().into(),
        upgrade: None,
        streaming_strategy: None,
    }
}

pub(crate) fn assets(pages: [(&str, &str); 2]) -> HashTree {
    let [one, other] = pages.map(|(path, body)| label(path, leaf(Sha256::digest(body).to_vec())));
    label("http_assets", fork(one, other))
}
