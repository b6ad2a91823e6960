//! The answer of a canister as the browser gets it: with the headers that its certificate permits.
//! What is left out is the same as in dfinity/http-gateway, src/protocol/handler.rs.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use candid::Principal;

use crate::http::gateway::{answer::CanisterAnswer, refusal::Refusal, verification::Verified};

const CANISTER_ID: HeaderName = HeaderName::from_static("x-ic-canister-id");
/// The server sets the headers for length and transfer itself.
const OF_SERVER: [HeaderName; 3] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
];

/// Writes the response of a canister.
pub(super) fn respond(
    canister: Principal,
    answer: CanisterAnswer,
    verified: Verified,
) -> Result<Response, Refusal> {
    let headers = match verified {
        Verified::Nothing => answer.headers,
        // Version 1 certifies the body only. What would harm most if it were forged is dropped.
        Verified::Body if answer.status.is_redirection() => {
            return Err(Refusal::unverified(
                "Response verification v1 does not allow redirects",
            ));
        }
        Verified::Body => answer
            .headers
            .into_iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case(header::CACHE_CONTROL.as_str()))
            .collect(),
        Verified::Headers(headers) => headers,
    };
    let mut response = (answer.status, answer.body).into_response();
    response.headers_mut().clear();
    for (name, value) in headers {
        let (name, value) = http_header(&name, &value)?;
        if !OF_SERVER.contains(&name) {
            response.headers_mut().append(name, value);
        }
    }
    let (name, id) = http_header(CANISTER_ID.as_str(), &canister.to_text())?;
    response.headers_mut().insert(name, id);
    Ok(response)
}

fn http_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Refusal> {
    match (name.parse(), value.parse()) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(Refusal::unusable_answer(format!(
            "`{name}: {value}` is not a header of HTTP"
        ))),
    }
}
