//! What `http` serves: `/metrics`, for Prometheus.

use crate::{
    api::{HttpRequest, HttpResponse, Metric},
    metrics,
    platform::ic,
};

pub(crate) fn serve(request: &HttpRequest, measure: fn() -> Vec<Metric>) -> HttpResponse {
    let path = request.url.split('?').next().unwrap_or_default();
    if path != "/metrics" {
        return text(404, b"there is only /metrics here\n".to_vec());
    }
    if request.method != "GET" {
        return text(405, b"/metrics can only be read\n".to_vec());
    }
    match metrics::prometheus(&measure(), ic::now()) {
        Ok(body) => text(200, body),
        Err(reason) => text(500, reason.into_bytes()),
    }
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
