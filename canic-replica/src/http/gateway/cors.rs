//! Requests of pages of other origins (CORS). The gateway allows them for every canister: it
//! answers preflight requests itself, and adds the headers of the gateways of the network to all
//! answers, in place of the canister's own.

use axum::{
    http::{
        HeaderName, HeaderValue, Method, StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
            VARY,
        },
    },
    response::{IntoResponse, Response},
};

// The values of dfinity/ic-gateway, src/routing/middleware/cors.rs.
const EXPOSED: &str = "accept-ranges,content-length,content-range,x-request-id,x-ic-canister-id";
const ALLOWED: &str = "user-agent,dnt,if-none-match,if-modified-since,cache-control,content-type,\
                       range,cookie,x-requested-with,x-ic-canister-id";
/// In addition, for the pages of canisters.
const ALLOWED_FOR_PAGES: &str = ",x-oc-jwt,x-oc-api-key";
const VARIES: &str = "origin, access-control-request-method, access-control-request-headers";
/// Two hours, in seconds.
const MAX_AGE: &str = "7200";

/// Whether the gateway answers a request with this method itself.
pub(super) fn is_preflight(method: &Method) -> bool {
    method == Method::OPTIONS
}

/// The answer to a preflight request for this path.
pub(super) fn preflight(path: &str) -> Response {
    let (methods, more) = match path {
        "/api/v2/status" | "/_/topology" => ("HEAD,GET", ""),
        _ if path.starts_with("/api/") => ("POST", ""),
        _ => ("HEAD,GET,POST,PUT,DELETE,PATCH", ALLOWED_FOR_PAGES),
    };
    let headers = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
        (ACCESS_CONTROL_ALLOW_METHODS, methods.to_owned()),
        (ACCESS_CONTROL_ALLOW_HEADERS, format!("{ALLOWED}{more}")),
        (ACCESS_CONTROL_MAX_AGE, MAX_AGE.to_owned()),
        (VARY, VARIES.to_owned()),
    ];
    (StatusCode::OK, headers).into_response()
}

/// Opens an answer to the pages of all origins.
pub(super) fn open(response: &mut Response) {
    const SET: [(HeaderName, &str); 2] = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED),
    ];
    let headers = response.headers_mut();
    for (name, value) in SET {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.append(VARY, HeaderValue::from_static(VARIES));
}
