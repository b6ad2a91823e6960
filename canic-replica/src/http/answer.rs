//! The encoding of requests and answers: JSON, and a message in every error.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{Method, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::http::protocol::ApiError;

/// The largest request body, in bytes. Base64 adds a third to a payload.
pub(super) const MAX_BODY: usize = 1 << 30;

/// The result of a handler.
pub(super) type Answer<T> = Result<T, Failure>;

/// The error of a request, sent as `{"message": ".."}`.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Failure {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// The request is malformed, or the instance refuses it.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The caller may not read this.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// The request names something that does not exist.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// PocketIC serves this request, canic-replica does not.
    pub(super) fn not_served(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            format!("canic-replica does not serve {what}"),
        )
    }

    /// An error of the server itself.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match encode(&ApiError {
            message: self.message,
        }) {
            Ok(body) => (self.status, body).into_response(),
            Err(failure) => failure.status.into_response(),
        }
    }
}

/// An encoded JSON text.
pub(super) struct Json(Vec<u8>);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// Writes an answer.
pub(super) fn encode<T: Serialize>(answer: &T) -> Answer<Json> {
    serde_json::to_vec(answer)
        .map(Json)
        .map_err(|e| Failure::internal(format!("the answer can't be written as JSON: {e}")))
}

/// Reads a request body.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Answer<T> {
    serde_json::from_slice(body).map_err(|e| {
        let name = std::any::type_name::<T>();
        let name = name.rsplit("::").next().unwrap_or(name);
        Failure::bad_request(format!("the request body is not a valid {name}: {e}"))
    })
}

/// The bytes of a request body.
pub(super) struct Body(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(e) => Err(Failure::new(e.status(), e.body_text())),
        }
    }
}

/// The values of the path's parameters.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(named)) => Ok(Self(named)),
            Err(e) => Err(Failure::new(e.status(), e.body_text())),
        }
    }
}

/// The answer to a method that a path does not take.
pub(super) async fn unknown_method(method: Method, uri: Uri) -> Response {
    let failure = Failure::bad_request(format!("{} does not take {method}", uri.path()));
    Failure {
        status: StatusCode::METHOD_NOT_ALLOWED,
        ..failure
    }
    .into_response()
}
