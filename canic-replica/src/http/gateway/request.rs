//! The request of a browser, as the canister gets it.

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request as BrowserRequest},
    http::{HeaderMap, StatusCode, header},
};
use candid::{CandidType, encode_one};
use ic_http_certification::{HttpRequest, Method};
use serde_bytes::ByteBuf;

use crate::http::gateway::refusal::Refusal;

/// The largest body, in bytes: the default of dfinity/ic-gateway, src/cli.rs.
const MAX_BODY: usize = 10 << 20;
/// The version of response verification that the gateway asks for.
const CERTIFICATE_VERSION: u16 = 2;

/// A request to a canister.
pub(super) struct Request {
    method: Method,
    url: String,
    /// The headers as the browser sent them: a certificate may be about them.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// The argument of `http_request`.
#[derive(CandidType)]
struct QueryArgument<'a> {
    method: &'a str,
    url: &'a str,
    headers: Vec<(String, String)>,
    body: ByteBuf,
    certificate_version: Option<u16>,
}

/// The argument of `http_request_update`.
#[derive(CandidType)]
struct UpdateArgument<'a> {
    method: &'a str,
    url: &'a str,
    headers: Vec<(String, String)>,
    body: ByteBuf,
}

impl Request {
    /// Reads a request with its body.
    pub(super) async fn read(mut request: BrowserRequest) -> Result<Self, Refusal> {
        let method = request.method().clone();
        let path = request.uri().path_and_query();
        let url = path.map_or("/", |url| url.as_str()).to_owned();
        let headers = texts(request.headers())?;
        DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
        let body = Bytes::from_request(request, &()).await.map_err(|e| {
            if e.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Refusal::body_too_large()
            } else {
                Refusal::malformed_request(e.body_text())
            }
        })?;
        Ok(Self {
            method,
            url,
            headers,
            body: body.into(),
        })
    }

    /// Whether the browser asks for a part of the body. If not, the gateway joins the parts.
    pub(super) fn is_for_range(&self) -> bool {
        self.headers.iter().any(|(name, _)| {
            [header::RANGE, header::IF_RANGE]
                .iter()
                .any(|range| name == range.as_str())
        })
    }

    /// The same request for the rest of the body, from this byte on.
    pub(super) fn starting_at(&self, first: u64) -> Self {
        let mut headers = self.headers.clone();
        headers.push(("Range".to_owned(), format!("bytes={first}-")));
        Self {
            method: self.method.clone(),
            url: self.url.clone(),
            headers,
            body: self.body.clone(),
        }
    }

    /// The argument of `http_request`, in Candid.
    pub(super) fn query_argument(&self) -> Result<Vec<u8>, Refusal> {
        encode(&QueryArgument {
            method: self.method.as_str(),
            url: &self.url,
            headers: self.headers_for_canister(),
            body: self.body.clone().into(),
            certificate_version: Some(CERTIFICATE_VERSION),
        })
    }

    /// The argument of `http_request_update`, in Candid.
    pub(super) fn update_argument(&self) -> Result<Vec<u8>, Refusal> {
        encode(&UpdateArgument {
            method: self.method.as_str(),
            url: &self.url,
            headers: self.headers_for_canister(),
            body: self.body.clone().into(),
        })
    }

    /// The request as certificates are about it.
    pub(super) fn to_certify(&self) -> HttpRequest<'_> {
        HttpRequest::builder()
            .with_method(self.method.clone())
            .with_url(self.url.as_str())
            .with_headers(self.headers.clone())
            .with_body(self.body.as_slice())
            .build()
    }

    /// The headers with what the gateways of the network change: the canister may always answer
    /// without an encoding, and it does not see the request's id.
    fn headers_for_canister(&self) -> Vec<(String, String)> {
        self.headers
            .iter()
            .filter(|(name, _)| name != "x-request-id")
            .map(|(name, value)| {
                let value = if name == header::ACCEPT_ENCODING.as_str() {
                    with_identity(value)
                } else {
                    value.clone()
                };
                (name.clone(), value)
            })
            .collect()
    }
}

fn with_identity(encodings: &str) -> String {
    let mut encodings: Vec<&str> = encodings.split(',').map(str::trim).collect();
    if !encodings.iter().any(|e| e.eq_ignore_ascii_case("identity")) {
        encodings.push("identity");
    }
    encodings.join(", ")
}

fn texts(headers: &HeaderMap) -> Result<Vec<(String, String)>, Refusal> {
    headers
        .iter()
        .map(|(name, value)| match value.to_str() {
            Ok(value) => Ok((name.to_string(), value.to_owned())),
            Err(_) => Err(Refusal::malformed_request(format!(
                "the header `{name}` of the request has characters beyond ASCII"
            ))),
        })
        .collect()
}

fn encode(argument: &impl CandidType) -> Result<Vec<u8>, Refusal> {
    encode_one(argument)
        .map_err(|e| Refusal::unusable_answer(format!("the request is not Candid: {e}")))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    /// dfinity/http-gateway src/protocol/handler.rs: certificates are about the browser's headers.
    #[tokio::test]
    async fn the_canister_may_always_answer_without_an_encoding() {
        let headers = |encodings: &str, id: bool| {
            let encodings = ("accept-encoding".to_owned(), encodings.to_owned());
            let id = id.then(|| ("x-request-id".to_owned(), "7".to_owned()));
            [encodings].into_iter().chain(id).collect::<Vec<_>>()
        };
        let cases = [
            ("gzip, br", "gzip, br, identity"),
            ("gzip,Identity", "gzip, Identity"),
        ];
        for (sent, seen) in cases {
            let request = BrowserRequest::builder()
                .uri("/a?b=c")
                .header("accept-encoding", sent)
                .header("x-request-id", "7")
                .body(Body::empty())
                .unwrap();
            let request = Request::read(request).await.unwrap();
            assert_eq!(request.headers_for_canister(), headers(seen, false));
            let certified = request.to_certify();
            assert_eq!(certified.headers(), headers(sent, true));
            assert_eq!(certified.url(), "/a?b=c");
        }
    }

    #[tokio::test]
    async fn a_header_beyond_ascii_is_refused() {
        let request = BrowserRequest::builder()
            .header("x-name", "käse")
            .body(Body::empty())
            .unwrap();
        let refusal = Request::read(request).await.err().unwrap();
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
    }
}
