//! HTTP gateways: a browser opens `http://<canister id>.localhost:<port>/` and sees the answer of
//! the canister's `http_request`. Unlike the gateways of the network, this gateway verifies no
//! certificate, neither under `<canister id>.localhost` nor under `<canister id>.raw.localhost`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use candid::{
    CandidType, Principal, encode_one, idl_hash,
    types::value::{IDLArgs, IDLField, IDLValue},
};
use pocket_ic::common::rest::{
    CreateHttpGatewayResponse, HttpGatewayBackend, HttpGatewayConfig, HttpGatewayDetails,
    HttpGatewayInfo, InstanceHttpGatewayConfig,
};
use serde_bytes::ByteBuf;
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    http::{
        activity, agent,
        answer::{Answer, Body, Failure, Json, MAX_BODY, Path, decode, encode, unknown_method},
        gateways::{Gateway, Open},
        instances::Instance,
        operations,
        shared::Shared,
    },
    ingress::{EffectivePrincipal, Ingress},
    reject::Reject,
    replica::Replica,
};

/// The state that all requests to one gateway share.
struct GatewayState {
    instance: Arc<Instance>,
    domains: Vec<String>,
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

    let domains = config
        .domains
        .clone()
        .unwrap_or_else(|| vec!["localhost".to_owned()]);
    let router = Router::new()
        .route("/_/topology", get(topology))
        .route("/api/{*path}", any(serve_agent))
        .fallback(serve)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&server.activity),
            activity::track,
        ))
        .with_state(Arc::new(GatewayState { instance, domains }));
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

/// The argument of `http_request`.
#[derive(CandidType)]
struct HttpRequest {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: ByteBuf,
    certificate_version: Option<u16>,
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
    request: Request,
) -> Response {
    agent::serve(gateway.instance.clone(), &path, request).await
}

async fn serve(State(gateway): State<Arc<GatewayState>>, request: Request) -> Answer<Response> {
    let canister = canister(&gateway.domains, request.headers(), request.uri().query())?;
    let method = request.method().to_string();
    let url = request
        .uri()
        .path_and_query()
        .map_or("/", |url| url.as_str())
        .to_owned();
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let body = axum::body::to_bytes(request.into_body(), MAX_BODY)
        .await
        .map_err(|e| Failure::bad_request(format!("the request body can't be read: {e}")))?;
    let request = HttpRequest {
        method,
        url,
        headers,
        body: body.to_vec().into(),
        certificate_version: Some(2),
    };
    gateway
        .instance
        .run(move |replica| call_http_request(replica, canister, &request))
        .await
}

/// The canister that a request is for: the last label before the domain, or the parameter
/// `canisterId`.
fn canister(domains: &[String], headers: &HeaderMap, query: Option<&str>) -> Answer<Principal> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let host = host.split_once(':').map_or(host, |(name, _port)| name);
    let labels = domains
        .iter()
        .find_map(|domain| host.strip_suffix(domain.as_str())?.strip_suffix('.'));
    let label = labels.map(|labels| labels.strip_suffix(".raw").unwrap_or(labels));
    let parameter = query.and_then(|query| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix("canisterId="))
    });
    let Some(id) = label.or(parameter) else {
        return Err(Failure::bad_request(format!(
            "the host `{host}` names no canister; `<canister id>.localhost` or \
             `?canisterId=<canister id>` does"
        )));
    };
    Principal::from_text(id)
        .map_err(|e| Failure::bad_request(format!("`{id}` is not a canister id: {e}")))
}

/// Calls the canister: by a query, by an update if the answer demands an upgrade, and by queries
/// for the streamed rest of the body.
fn call_http_request(
    replica: &mut Replica,
    canister: Principal,
    request: &HttpRequest,
) -> Answer<Response> {
    let argument = candid(encode_one(request), "the request")?;
    let mut answer = query(replica, canister, "http_request", argument.clone())?;
    if matches!(answer.field("upgrade"), Some(IDLValue::Bool(true))) {
        answer = update(replica, canister, "http_request_update", argument)?;
    }
    let mut body = answer.blob("body")?.to_vec();
    if let Some(strategy) = answer
        .field("streaming_strategy")
        .and_then(|s| field(s, "Callback"))
    {
        let Some(IDLValue::Func(callee, method)) = field(strategy, "callback") else {
            return Err(Failure::bad_gateway(
                "the streaming strategy has no callback",
            ));
        };
        let mut token = field(strategy, "token").cloned();
        while let Some(next) = token {
            let argument = candid(IDLArgs::new(&[next]).to_bytes(), "the streaming token")?;
            let part = query(replica, *callee, method, argument)?;
            body.extend_from_slice(part.blob("body")?);
            if body.len() > MAX_BODY {
                return Err(Failure::bad_gateway(format!(
                    "the streamed body exceeds {MAX_BODY} bytes"
                )));
            }
            token = part.field("token").cloned();
        }
    }
    respond(&answer, body)
}

fn respond(answer: &Reply, body: Vec<u8>) -> Answer<Response> {
    let Some(IDLValue::Nat16(status)) = answer.field("status_code") else {
        return Err(Failure::bad_gateway(
            "the canister's answer has no `status_code : nat16`",
        ));
    };
    let status = StatusCode::from_u16(*status).map_err(|_| {
        Failure::bad_gateway(format!("the canister answered the HTTP status {status}"))
    })?;
    let Some(IDLValue::Vec(headers)) = answer.field("headers") else {
        return Err(Failure::bad_gateway(
            "the canister's answer has no `headers : vec record { text; text }`",
        ));
    };
    let mut response = (status, body).into_response();
    response.headers_mut().clear();
    for pair in headers {
        let (name, value) = header_of(pair)
            .ok_or_else(|| Failure::bad_gateway(format!("the header {pair} is none")))?;
        // The server sets the headers for length and transfer itself.
        if ![
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONNECTION,
        ]
        .contains(&name)
        {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

fn header_of(pair: &IDLValue) -> Option<(HeaderName, HeaderValue)> {
    let IDLValue::Record(fields) = pair else {
        return None;
    };
    match fields.as_slice() {
        [
            IDLField {
                val: IDLValue::Text(name),
                ..
            },
            IDLField {
                val: IDLValue::Text(value),
                ..
            },
        ] => Some((name.parse().ok()?, value.parse().ok()?)),
        _ => None,
    }
}

/// A reply, decoded without a type: the canister chooses the type of its streaming token.
struct Reply(IDLValue);

impl Reply {
    fn read(bytes: &[u8]) -> Answer<Self> {
        let values = candid(IDLArgs::from_bytes(bytes), "the canister's answer")?.args;
        values
            .into_iter()
            .next()
            .map(Self)
            .ok_or_else(|| Failure::bad_gateway("the canister's answer is empty"))
    }

    fn field(&self, name: &str) -> Option<&IDLValue> {
        field(&self.0, name)
    }

    fn blob(&self, name: &str) -> Answer<&[u8]> {
        match self.field(name) {
            Some(IDLValue::Blob(bytes)) => Ok(bytes),
            _ => Err(Failure::bad_gateway(format!(
                "the canister's answer has no `{name} : blob`"
            ))),
        }
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

fn query(
    replica: &mut Replica,
    canister: Principal,
    method: &str,
    argument: Vec<u8>,
) -> Answer<Reply> {
    match replica.query(ingress(canister, method, argument)) {
        Ok(reply) => Reply::read(&reply),
        Err(reject) => Err(rejected(canister, method, &reject)),
    }
}

fn update(
    replica: &mut Replica,
    canister: Principal,
    method: &str,
    argument: Vec<u8>,
) -> Answer<Reply> {
    let id = replica
        .submit(ingress(canister, method, argument))
        .map_err(|r| rejected(canister, method, &r))?;
    match replica.await_ingress(&id).map_err(Failure::bad_gateway)? {
        Ok(reply) => Reply::read(&reply),
        Err(reject) => Err(rejected(canister, method, &reject)),
    }
}

fn ingress(canister: Principal, method: &str, payload: Vec<u8>) -> Ingress {
    let effective = Some(EffectivePrincipal::Canister(canister));
    Ingress {
        sender: Principal::anonymous(),
        canister,
        method: method.to_owned(),
        payload,
        effective,
        caller_info: None,
    }
}

fn rejected(canister: Principal, method: &str, reject: &Reject) -> Failure {
    Failure::bad_gateway(format!(
        "{method} of {canister} failed: {} ({})",
        reject.message, reject.error_code
    ))
}

fn candid<T>(result: candid::Result<T>, what: &str) -> Answer<T> {
    result.map_err(|e| Failure::bad_gateway(format!("{what} is not Candid: {e}")))
}
