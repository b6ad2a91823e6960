//! The answer of a canister, decoded from Candid.

use axum::http::StatusCode;
use candid::{
    Principal, idl_hash,
    types::value::{IDLArgs, IDLField, IDLValue},
};
use ic_http_certification::HttpResponse;

use crate::http::gateway::refusal::Refusal;

/// The result of `http_request` or `http_request_update`.
pub(super) struct CanisterAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether the canister wants to be called by an update.
    pub(super) upgrade: bool,
    /// How to get the rest of the body.
    pub(super) streaming: Option<Streaming>,
}

/// A callback for the rest of a body.
pub(super) struct Streaming {
    pub(super) canister: Principal,
    pub(super) method: String,
    /// A value of the canister's own type.
    pub(super) token: IDLValue,
}

impl CanisterAnswer {
    /// Reads an answer in Candid.
    pub(super) fn decode(reply: &[u8]) -> Result<Self, Refusal> {
        let answer = record(reply)?;
        let Some(IDLValue::Nat16(status)) = field(&answer, "status_code") else {
            return unusable("the canister's answer has no `status_code : nat16`");
        };
        let Ok(status) = StatusCode::from_u16(*status) else {
            return unusable(format!("the canister answered the HTTP status {status}"));
        };
        let Some(IDLValue::Vec(pairs)) = field(&answer, "headers") else {
            return unusable("the canister's answer has no `headers : vec record { text; text }`");
        };
        let headers = pairs.iter().map(header_of).collect::<Result<_, _>>()?;
        let streaming = field(&answer, "streaming_strategy")
            .and_then(|strategy| field(strategy, "Callback"))
            .map(streaming)
            .transpose()?;
        Ok(Self {
            status,
            headers,
            body: body(&answer)?,
            upgrade: matches!(field(&answer, "upgrade"), Some(IDLValue::Bool(true))),
            streaming,
        })
    }

    /// The first header of this name, in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The answer as certificates are about it.
    pub(super) fn to_certify(&self) -> HttpResponse<'_> {
        HttpResponse::builder()
            .with_status_code(self.status)
            .with_headers(self.headers.clone())
            .with_body(self.body.as_slice())
            .build()
    }
}

/// The result of a streaming callback: a part of the body, and the token for the next part.
pub(super) fn decode_part(reply: &[u8]) -> Result<(Vec<u8>, Option<IDLValue>), Refusal> {
    let part = record(reply)?;
    Ok((body(&part)?, field(&part, "token").cloned()))
}

fn streaming(strategy: &IDLValue) -> Result<Streaming, Refusal> {
    let Some(IDLValue::Func(canister, method)) = field(strategy, "callback") else {
        return unusable("the streaming strategy has no callback");
    };
    let Some(token) = field(strategy, "token") else {
        return unusable("the streaming strategy has no token");
    };
    Ok(Streaming {
        canister: *canister,
        method: method.clone(),
        token: token.clone(),
    })
}

/// The first value of a reply, decoded without a type: the canister chooses that of its token.
fn record(reply: &[u8]) -> Result<IDLValue, Refusal> {
    match IDLArgs::from_bytes(reply) {
        Ok(values) => match values.args.into_iter().next() {
            Some(value) => Ok(value),
            None => unusable("the canister's answer is empty"),
        },
        Err(e) => unusable(format!("the canister's answer is not Candid: {e}")),
    }
}

fn body(answer: &IDLValue) -> Result<Vec<u8>, Refusal> {
    match field(answer, "body") {
        Some(IDLValue::Blob(bytes)) => Ok(bytes.clone()),
        _ => unusable("the canister's answer has no `body : blob`"),
    }
}

/// A field of a record or the case of a variant, without the `opt` around it.
fn field<'a>(value: &'a IDLValue, name: &str) -> Option<&'a IDLValue> {
    let id = idl_hash(name);
    let found = match value {
        IDLValue::Record(fields) => fields
            .iter()
            .find(|field| field.id.get_id() == id)
            .map(|field| &field.val),
        IDLValue::Variant(case) => (case.0.id.get_id() == id).then_some(&case.0.val),
        _ => None,
    }?;
    match found {
        IDLValue::Opt(inner) => Some(inner),
        IDLValue::None | IDLValue::Null => None,
        other => Some(other),
    }
}

fn header_of(pair: &IDLValue) -> Result<(String, String), Refusal> {
    if let IDLValue::Record(fields) = pair
        && let [
            IDLField {
                val: IDLValue::Text(name),
                ..
            },
            IDLField {
                val: IDLValue::Text(value),
                ..
            },
        ] = fields.as_slice()
    {
        return Ok((name.clone(), value.clone()));
    }
    unusable(format!("the header {pair} is none"))
}

fn unusable<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::unusable_answer(why))
}
