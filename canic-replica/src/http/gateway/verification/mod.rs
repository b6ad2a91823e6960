//! Response verification, versions 1 and 2, as the specification of HTTP gateways describes it
//! (dfinity/developer-docs, docs/references/http-gateway-protocol-spec.md).
//!
//! A canister puts the root hash of a tree into its certified data. Its answer carries the
//! certificate of that hash, and the part of the tree that is about this request. `certificate`
//! verifies the former against the root key of the instance, `path` and `expression` read the
//! latter. The hashes of requests and responses are those of the crate `ic-http-certification`,
//! which canisters use, too.

mod certificate;
mod expression;
mod header;
mod path;
mod version;

use std::io::{self, Read};

use candid::Principal;
use flate2::read::{DeflateDecoder, GzDecoder};
use ic_certification::{HashTree, HashTreeNode, LookupResult, SubtreeLookupResult};
use ic_http_certification::{
    CERTIFICATE_EXPRESSION_HEADER_NAME, CERTIFICATE_HEADER_NAME, filter_response_headers,
    request_hash, response_hash,
};
use sha2::{Digest, Sha256};

use crate::{
    http::gateway::{
        answer::CanisterAnswer,
        refusal::Refusal,
        request::Request,
        verification::{
            expression::{Expression, RequestPart},
            header::Header,
        },
    },
    replica::Replica,
};

/// The longest body after its encoding is undone, in bytes.
const MAX_DECODED: u64 = 1 << 30;

/// What a certificate vouches for.
#[derive(Debug)]
pub(super) enum Verified {
    /// Nothing: the browser asked for no verification, or the canister certified that there is
    /// none.
    Nothing,
    /// The body (version 1).
    Body,
    /// Status, body and these headers (version 2).
    Headers(Vec<(String, String)>),
}

/// Verifies the answer of a canister to a request.
pub(super) fn verify(
    replica: &Replica,
    canister: Principal,
    request: &Request,
    answer: &CanisterAnswer,
) -> Result<Verified, Refusal> {
    try_verify(replica, canister, request, answer).map_err(Refusal::unverified)
}

/// Like [`verify`]. The error is the reason.
fn try_verify(
    replica: &Replica,
    canister: Principal,
    request: &Request,
    answer: &CanisterAnswer,
) -> Result<Verified, String> {
    let value = answer
        .header(CERTIFICATE_HEADER_NAME)
        .ok_or("the response has no header IC-Certificate")?;
    let header = Header::parse(value)?;
    let certified_data = certificate::certified_data(
        &header.certificate,
        canister,
        &replica.root_key(),
        replica.time(),
    )?;
    if certified_data != header.tree.digest() {
        return Err("the tree is not the one of the canister's certified data".to_owned());
    }
    match header.version {
        1 => {
            version::check_downgrade(replica, canister)?;
            verify_body(&header.tree, request, answer)?;
            Ok(Verified::Body)
        }
        2 => verify_pair(&header, request, answer),
        other => Err(format!(
            "version {other} of response verification is not supported, only 1 and 2 are"
        )),
    }
}

/// Version 1: the tree has the hash of the body below the request's path, or below `/index.html`.
fn verify_body(tree: &HashTree, request: &Request, answer: &CanisterAnswer) -> Result<(), String> {
    let path = path::of_request(request)?;
    let leaf = |asset: &str| match tree.lookup_path(["http_assets".as_bytes(), asset.as_bytes()]) {
        LookupResult::Found(hash) => Some(hash.to_vec()),
        _ => None,
    };
    let expected = leaf(&path)
        .or_else(|| leaf("/index.html"))
        .ok_or_else(|| format!("the tree has neither {path} nor /index.html"))?;
    // Canisters certify the decoded body, or the encoded one.
    let encoding = answer.header("content-encoding");
    let is_certified = decoded_hash(&answer.body, encoding)? == expected
        || Sha256::digest(&answer.body).as_slice() == expected;
    if !is_certified {
        return Err("the body has another hash than the tree".to_owned());
    }
    Ok(())
}

/// The hash of a body after its encoding is undone.
fn decoded_hash(body: &[u8], encoding: Option<&str>) -> Result<Vec<u8>, String> {
    let decoder: Box<dyn Read + '_> = match encoding {
        Some("gzip") => Box::new(GzDecoder::new(body)),
        Some("deflate") => Box::new(DeflateDecoder::new(body)),
        _ => Box::new(body),
    };
    let mut hash = Sha256::new();
    let length = io::copy(&mut decoder.take(MAX_DECODED + 1), &mut hash)
        .map_err(|e| format!("the body can't be decoded: {e}"))?;
    if length > MAX_DECODED {
        return Err(format!("the decoded body exceeds {MAX_DECODED} bytes"));
    }
    Ok(hash.finalize().to_vec())
}

/// Version 2: the tree has the hashes of the request and of the response below the expression that
/// says what goes into them.
fn verify_pair(
    header: &Header,
    request: &Request,
    answer: &CanisterAnswer,
) -> Result<Verified, String> {
    let value = answer
        .header(CERTIFICATE_EXPRESSION_HEADER_NAME)
        .ok_or("the response has no header IC-CertificateExpression")?;
    let expression_path = header
        .expression_path
        .as_ref()
        .ok_or("the header IC-Certificate has no expr_path")?;
    path::check(expression_path, &path::of_request(request)?, &header.tree)?;
    let mut labels: Vec<&[u8]> = expression_path.iter().map(String::as_bytes).collect();
    let expression_hash = Sha256::digest(value);
    labels.push(&expression_hash);
    let SubtreeLookupResult::Found(pairs) = header.tree.lookup_subtree(labels) else {
        return Err(format!(
            "the tree has no IC-CertificateExpression `{value}` at {expression_path:?}"
        ));
    };
    let Expression::Certified {
        request: part,
        response,
    } = Expression::parse(value)?
    else {
        return Ok(Verified::Nothing);
    };
    let request_label = match &part {
        RequestPart::Nothing => Vec::new(),
        RequestPart::Hash(part) => request_hash(&request.to_certify(), part)
            .map_err(|e| e.to_string())?
            .to_vec(),
    };
    let certified = answer.to_certify();
    let response_label = response_hash(&certified, &response, None);
    let leaf = pairs.lookup_subtree([request_label.as_slice(), response_label.as_slice()]);
    match leaf {
        SubtreeLookupResult::Found(leaf)
            if HashTreeNode::from(leaf.clone()) == HashTreeNode::Leaf(Vec::new()) => {}
        _ => return Err("the tree has no leaf for this request and response".to_owned()),
    }
    let mut headers = filter_response_headers(&certified, &response).headers;
    let certificate = answer.header(CERTIFICATE_HEADER_NAME).unwrap_or_default();
    headers.push((CERTIFICATE_HEADER_NAME.to_owned(), certificate.to_owned()));
    Ok(Verified::Headers(headers))
}
