//! HTTP gateways: a browser opens `http://<canister id>.localhost:<port>/` and sees the answer of
//! the canister's `http_request`, as the specification of HTTP gateways describes it.
//!
//! The answer must be certified, unless the host is `<canister id>.raw.localhost`; otherwise the
//! gateway answers 503 with the reason. It differs from the gateways of the network in this:
//!
//! - It judges the age of a certificate by the clock of the instance.
//! - It verifies streamed bodies of any length, and fails a streaming callback of another
//!   canister, as the specification says. Theirs pass long bodies on without verification.
//! - It refuses an answer by version 1 if the metadata of the canister lists version 2, as the
//!   specification says. Theirs do not look.
//! - Its refusals are always JSON, and it leads nobody to a dashboard.

mod answer;
mod call;
mod cors;
mod host;
mod refusal;
mod request;
mod response;
mod streaming;
mod verification;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request as BrowserRequest, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    http::{
        activity, agent,
        answer::{Answer, Body, Failure, Json, MAX_BODY, Path, decode, encode, unknown_method},
        gateway::{
            answer::CanisterAnswer,
            host::{Hosts, Target},
            refusal::Refusal,
            request::Request,
            response::respond,
            verification::{Verified, verify},
        },
        gateways::{Gateway, Open},
        instances::Instance,
        operations,
        protocol::{
            CreateHttpGatewayResponse, HttpGatewayBackend, HttpGatewayConfig, HttpGatewayDetails,
            HttpGatewayInfo, InstanceHttpGatewayConfig,
        },
        shared::Shared,
    },
    replica::Replica,
};

/// The state that all requests to one gateway share.
struct GatewayState {
    instance: Arc<Instance>,
    hosts: Hosts,
}

/// `POST /http_gateway`.
pub(super) async fn create(State(server): State<Shared>, Body(body): Body) -> Response {
    let (status, answer) = match try_create(&server, &body).await {
        Ok(info) => (
            StatusCode::CREATED,
            CreateHttpGatewayResponse::Created(info),
        ),
        Err(Failure { status, message }) => (status, CreateHttpGatewayResponse::Error { message }),
    };
    (status, encode(&answer)).into_response()
}

async fn try_create(server: &Shared, body: &[u8]) -> Answer<HttpGatewayInfo> {
    let config: HttpGatewayConfig = decode(body)?;
    let HttpGatewayBackend::PocketIcInstance(id) = config.forward_to else {
        return Err(Failure::not_served(
            "HTTP gateways in front of another replica",
        ));
    };
    let instance = server.instances.get(&id.to_string())?;
    let config = InstanceHttpGatewayConfig {
        ip_addr: config.ip_addr,
        port: config.port,
        domains: config.domains,
        https_config: config.https_config,
        domain_custom_provider_local_file: config.domain_custom_provider_local_file,
    };
    open(server, id, instance, config).await
}

/// Opens a gateway to an instance.
pub(super) async fn open(
    server: &Shared,
    id: usize,
    instance: Arc<Instance>,
    config: InstanceHttpGatewayConfig,
) -> Answer<HttpGatewayInfo> {
    if config.https_config.is_some() {
        return Err(Failure::not_served("HTTPS gateways"));
    }
    if config.domain_custom_provider_local_file.is_some() {
        return Err(Failure::not_served("custom domains from a file"));
    }
    let ip = match &config.ip_addr {
        None => Ipv4Addr::LOCALHOST.into(),
        Some(ip) => ip
            .parse::<IpAddr>()
            .map_err(|e| Failure::bad_request(format!("ip_addr `{ip}`: {e}")))?,
    };
    let address = SocketAddr::new(ip, config.port.unwrap_or(0));
    let unreachable =
        |e| Failure::bad_request(format!("the gateway can't listen on {address}: {e}"));
    let listener = TcpListener::bind(address).await.map_err(unreachable)?;
    let port = listener.local_addr().map_err(unreachable)?.port();

    let gateway = Arc::new(GatewayState {
        instance,
        hosts: Hosts::new(config.domains.as_deref()),
    });
    let router = Router::new()
        .route("/_/topology", get(topology))
        .route("/api/{*path}", any(serve_agent))
        .fallback(serve)
        .method_not_allowed_fallback(unknown_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), admit))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&server.activity),
            activity::track,
        ))
        .with_state(gateway);
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(async {
            // The sender is dropped to stop the gateway.
            let _ = stopped.await;
        });
        if let Err(e) = served.await {
            eprintln!("the HTTP gateway on port {port} ended with {e}");
        }
    });

    let mut gateways = server.gateways.lock();
    let instance_id = gateways.len();
    let forward_to = HttpGatewayBackend::PocketIcInstance(id);
    let details = HttpGatewayDetails {
        instance_id,
        port,
        forward_to,
        domains: config.domains,
        https_config: None,
    };
    gateways.push(Gateway {
        details,
        open: Some(Open { stop, task }),
    });
    Ok(HttpGatewayInfo { instance_id, port })
}

/// `GET /http_gateway`: the open gateways.
pub(super) async fn list(State(server): State<Shared>) -> Answer<Json> {
    let open: Vec<_> = server
        .gateways
        .lock()
        .iter()
        .filter(|g| g.open.is_some())
        .map(|g| g.details.clone())
        .collect();
    encode(&open)
}

/// `POST /http_gateway/{id}/stop`.
pub(super) async fn stop(State(server): State<Shared>, Path(id): Path<String>) -> Answer<Json> {
    let number = id
        .parse::<usize>()
        .map_err(|_| Failure::bad_request(format!("`{id}` is not a gateway's number")))?;
    let open = match server.gateways.lock().get_mut(number) {
        Some(gateway) => gateway.open.take(),
        None => {
            return Err(Failure::not_found(format!(
                "there is no HTTP gateway {number}"
            )));
        }
    };
    if let Some(open) = open {
        open.close().await;
    }
    encode(&())
}

/// Refuses hosts that the gateway does not serve, answers preflight requests, and opens all other
/// answers to pages of other origins.
async fn admit(
    State(gateway): State<Arc<GatewayState>>,
    mut request: BrowserRequest,
    next: Next,
) -> Response {
    // PocketIC's topology has no domain.
    if request.uri().path() != "/_/topology" {
        match gateway.hosts.target(request.uri(), request.headers()) {
            Ok(target) => request.extensions_mut().insert(target),
            Err(refusal) => return refusal.into_response(),
        };
    }
    if cors::is_preflight(request.method()) {
        return cors::preflight(request.uri().path());
    }
    let mut response = next.run(request).await;
    cors::open(&mut response);
    response
}

async fn topology(State(gateway): State<Arc<GatewayState>>) -> Answer<Json> {
    gateway
        .instance
        .run(|replica| encode(&operations::topology(replica)?))
        .await
}

async fn serve_agent(
    State(gateway): State<Arc<GatewayState>>,
    Path(path): Path<String>,
    request: BrowserRequest,
) -> Response {
    agent::serve(gateway.instance.clone(), &path, request).await
}

/// Serves a page of a canister.
async fn serve(
    State(gateway): State<Arc<GatewayState>>,
    Extension(target): Extension<Target>,
    request: BrowserRequest,
) -> Result<Response, Refusal> {
    let request = Request::read(request).await?;
    let answer = gateway
        .instance
        .run(move |replica| Ok(fetch(replica, target, &request)))
        .await;
    answer.unwrap_or_else(|failure| Ok(failure.into_response()))
}

/// Calls the canister: by a query, by an update if the answer demands an upgrade, and by queries
/// for the rest of the body. Answers of updates need no certificate: the subnet agreed on them.
fn fetch(replica: &mut Replica, target: Target, request: &Request) -> Result<Response, Refusal> {
    let canister = target.canister.ok_or_else(Refusal::no_canister_id)?;
    if replica.subnet_of(canister).is_none() {
        return Err(Refusal::no_route(canister));
    }
    let reply = call::query(replica, canister, "http_request", request.query_argument()?)?;
    let mut answer = CanisterAnswer::decode(&reply)?;
    let is_upgraded = answer.upgrade;
    if is_upgraded {
        let argument = request.update_argument()?;
        let reply = call::update(replica, canister, "http_request_update", argument)?;
        answer = CanisterAnswer::decode(&reply)?;
    }
    streaming::append_stream(replica, canister, &mut answer)?;
    let verified = if target.certified && !is_upgraded {
        verify(replica, canister, request, &answer)?
    } else {
        Verified::Nothing
    };
    if answer.status == StatusCode::PARTIAL_CONTENT && !request.is_for_range() {
        streaming::append_ranges(replica, canister, target, request, &mut answer)?;
        let mut response = respond(canister, answer, verified)?;
        response.headers_mut().remove(header::CONTENT_RANGE);
        return Ok(response);
    }
    respond(canister, answer, verified)
}
