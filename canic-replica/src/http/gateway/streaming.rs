//! Bodies that take more than one call: by the callbacks of a streaming strategy, and by ranges.
//! The gateway joins the parts before it passes anything on, and verifies what it joined.

use axum::http::{StatusCode, header};
use candid::{Principal, types::value::IDLArgs};

use crate::{
    http::gateway::{
        answer::{CanisterAnswer, decode_part},
        call,
        host::Target,
        refusal::Refusal,
        request::Request,
        verification::verify,
    },
    replica::Replica,
};

/// The most calls for one body, as in dfinity/http-gateway, response_handler.rs.
const MAX_CALLS: usize = 1_000;
/// The longest body that the gateway joins, in bytes.
const MAX_BODY: u64 = 1 << 30;

/// Appends to the body what the streaming callback returns.
pub(super) fn append_stream(
    replica: &mut Replica,
    canister: Principal,
    answer: &mut CanisterAnswer,
) -> Result<(), Refusal> {
    let Some(streaming) = answer.streaming.take() else {
        return Ok(());
    };
    if streaming.canister != canister {
        return unusable("the streaming callback is not a method of the canister");
    }
    let mut token = Some(streaming.token);
    for _ in 0..MAX_CALLS {
        let Some(current) = token else {
            return Ok(());
        };
        let argument = IDLArgs::new(&[current]).to_bytes().map_err(|e| {
            Refusal::unusable_answer(format!("the streaming token is not Candid: {e}"))
        })?;
        let reply = call::query(replica, canister, &streaming.method, argument)?;
        let (part, next) = decode_part(&reply)?;
        answer.body.extend(part);
        check_length(answer.body.len() as u64)?;
        token = next;
    }
    match token {
        None => Ok(()),
        Some(_) => unusable(format!("the body takes more than {MAX_CALLS} calls")),
    }
}

/// Completes the first range of a body (206) for a browser that asked for all of it. The answer
/// becomes one with status 200.
pub(super) fn append_ranges(
    replica: &mut Replica,
    canister: Principal,
    target: Target,
    request: &Request,
    answer: &mut CanisterAnswer,
) -> Result<(), Refusal> {
    let first = Range::of(answer, 0)?;
    let mut calls = 1;
    while (answer.body.len() as u64) < first.total {
        if calls == MAX_CALLS {
            return unusable(format!("the body takes more than {MAX_CALLS} calls"));
        }
        calls += 1;
        let at = answer.body.len() as u64;
        let request = request.starting_at(at);
        let reply = call::query(replica, canister, "http_request", request.query_argument()?)?;
        let part = CanisterAnswer::decode(&reply)?;
        if part.streaming.is_some() {
            return unusable("a range of a body has a streaming strategy");
        }
        let range = Range::of(&part, at)?;
        if target.certified {
            verify(replica, canister, &request, &part)?;
        }
        // Ranges may overlap. `Range::of` has compared the length of the part.
        let overlap = (at - range.first) as usize;
        answer.body.extend(&part.body[overlap..]);
        check_length(answer.body.len() as u64)?;
    }
    answer.status = StatusCode::OK;
    Ok(())
}

/// What a header `Content-Range` says.
struct Range {
    first: u64,
    total: u64,
}

impl Range {
    /// The range of an answer, which continues a body of `length` bytes.
    fn of(answer: &CanisterAnswer, length: u64) -> Result<Self, Refusal> {
        let Some(header) = answer.header(header::CONTENT_RANGE.as_str()) else {
            return unusable("missing Content-Range header in 206 response");
        };
        let Some((first, last, total)) = numbers(header) else {
            return unusable(format!("Invalid Content-Range header '{header}'"));
        };
        if first > last || last >= total || answer.body.len() as u64 != last - first + 1 {
            return unusable(format!("inconsistent Content-Range header {header}"));
        }
        if first > length || last < length {
            return unusable(format!(
                "chunk out-of-order: {header} does not continue {length} bytes"
            ));
        }
        check_length(total)?;
        Ok(Self { first, total })
    }
}

/// First byte, last byte and length of `bytes 0-41/42`.
fn numbers(header: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, total.parse().ok()?))
}

fn check_length(length: u64) -> Result<(), Refusal> {
    if length > MAX_BODY {
        return unusable(format!("the body exceeds {MAX_BODY} bytes"));
    }
    Ok(())
}

fn unusable<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::unusable_answer(why))
}
