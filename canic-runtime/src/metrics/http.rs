//! The HTTP endpoint of the option `http`: `/metrics`, for Prometheus.
//!
//! Answers are not certified, because the certified data of a canister belongs to its author.

use crate::{
    api::{HttpRequest, HttpResponse},
    metrics::{self, Family},
    platform::ic,
};

/// Responds to `http_request`.
pub(crate) fn respond(
    request: &HttpRequest,
    families: impl Iterator<Item = &'static Family>,
) -> HttpResponse {
    let path = request.url.split(['?', '#']).next().unwrap_or_default();
    if path != "/metrics" {
        return text(404, b"there is only /metrics here\n".to_vec());
    }
    let whole = match request.method.as_str() {
        "GET" => true,
        "HEAD" => false,
        _ => {
            let mut refusal = text(405, b"/metrics can only be read\n".to_vec());
            let allow = ("Allow".to_string(), "GET, HEAD".to_string());
            refusal.headers.push(allow);
            return refusal;
        }
    };
    let mut answer = match metrics::prometheus(families, ic::now()) {
        Ok(body) => text(200, body),
        Err(error) => text(500, error.to_string().into_bytes()),
    };
    if !whole {
        answer.body.clear();
    }
    answer
}

fn text(status_code: u16, body: Vec<u8>) -> HttpResponse {
    let header = |name: &str, value: String| (name.to_string(), value);
    HttpResponse {
        status_code,
        headers: vec![
            header("Content-Type", "text/plain; version=0.0.4".to_string()),
            header("Content-Length", body.len().to_string()),
        ],
        body,
    }
}
