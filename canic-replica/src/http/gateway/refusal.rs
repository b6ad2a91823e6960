//! What a gateway answers in place of a canister. Status, type and description are those of the
//! gateways of the network (dfinity/ic-gateway, src/routing/error_cause.rs). They show a page to
//! browsers; this gateway answers its JSON to everybody.

use axum::{
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use candid::Principal;
use serde::Serialize;

use crate::reject::{Reject, RejectCode};

/// The header with the type of a refusal.
const ERROR_CAUSE: HeaderName = HeaderName::from_static("x-ic-error-cause");

/// A refusal, sent as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    #[serde(skip)]
    pub(super) status: StatusCode,
    error_type: &'static str,
    description: String,
    details: Option<String>,
}

impl Refusal {
    fn new(status: StatusCode, error_type: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            error_type,
            description: description.into(),
            details: None,
        }
    }

    fn with_details(self, details: impl Into<String>) -> Self {
        Self {
            details: Some(details.into()),
            ..self
        }
    }

    /// The request names no host.
    pub(super) fn no_authority() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "client_no_authority",
            "The request is missing the required authority information (e.g. 'Host' header).",
        )
    }

    /// The gateway does not serve this host.
    pub(super) fn unknown_domain(host: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "client_unknown_domain",
            "The requested domain is not served by this HTTP gateway. Please check that the \
             address is correct.",
        )
        .with_details(format!("The domain {host} is not served by this gateway"))
    }

    /// The request's body exceeds the limit.
    pub(super) fn body_too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "client_body_too_large",
            "The data you sent is too large for the Internet Computer to handle. Please reduce \
             your payload and try again.",
        )
    }

    /// The request can't be read.
    pub(super) fn malformed_request(why: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "client_malformed_request",
            "Your request was not correctly formed.",
        )
        .with_details(why)
    }

    /// The parameter `canisterId` is not an id.
    pub(super) fn wrong_canister_id(why: &dyn std::error::Error) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "canister_id_incorrect",
            "The canister ID you provided is invalid. Please verify the canister ID and try again.",
        )
        .with_details(why.to_string())
    }

    /// Neither the host nor the parameter `canisterId` names a canister.
    pub(super) fn no_canister_id() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "canister_id_not_resolved",
            "The gateway couldn't determine the destination canister for this request. Ensure the \
             request includes a valid canister ID or uses a recognized domain.",
        )
    }

    /// No subnet hosts the canister.
    pub(super) fn no_route(canister: Principal) -> Self {
        Self::missing_canister("canister_route_not_found", canister)
    }

    fn missing_canister(error_type: &'static str, canister: Principal) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            error_type,
            format!(
                "The requested canister ({canister}) does not exist or is no longer available on \
                 the Internet Computer."
            ),
        )
    }

    /// The answer is not certified as the specification demands.
    pub(super) fn unverified(why: impl Into<String>) -> Self {
        Self::unavailable(
            "backend_response_verification",
            "The response from the canister failed verification and cannot be trusted. If you \
             understand the risks, you can retry using the raw domain to bypass certification.",
        )
        .with_details(why)
    }

    /// The canister gave no answer that can be passed on.
    pub(super) fn unusable_answer(why: impl Into<String>) -> Self {
        Self::backend("backend_http_gateway", why)
    }

    fn backend(error_type: &'static str, why: impl Into<String>) -> Self {
        Self::unavailable(
            error_type,
            "The HTTP gateway is temporarily unable to process the request. Please try again \
             later. If this persists, check the status page for updates and reach out on the ICP \
             developer forum.",
        )
        .with_details(why)
    }

    fn unavailable(error_type: &'static str, description: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error_type, description)
    }

    /// The canister, or the subnet for it, rejected a call of the gateway.
    pub(super) fn rejected(canister: Principal, reject: &Reject) -> Self {
        match reject.code {
            RejectCode::DestinationInvalid => {
                Self::missing_canister("canister_not_found", canister)
            }
            RejectCode::CanisterReject => Self::unavailable(
                "canister_reject",
                "The canister explicitly rejected the request.",
            ),
            RejectCode::CanisterError => Self::unavailable(
                "canister_error",
                "The canister failed to process your request. This may be due to an issue with \
                 the canister's program, the resources it has allocated, or its configuration.",
            )
            .with_details(reject.message.as_str()),
            RejectCode::SysTransient if reject.message.contains("frozen") => Self::unavailable(
                "canister_frozen",
                "The canister has run out of cycles. You or others can top it up to restore \
                 functionality.",
            ),
            _ => Self::backend(
                "backend_other",
                format!("{} ({})", reject.message, reject.error_code),
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match serde_json::to_vec_pretty(&self) {
            Ok(body) => {
                let headers = [
                    (header::CONTENT_TYPE, "application/json"),
                    (ERROR_CAUSE, self.error_type),
                ];
                (self.status, headers, body).into_response()
            }
            Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()).into_response(),
        }
    }
}
