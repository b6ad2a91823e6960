//! The interface of agents: `/api/..` of an instance and of its gateways, as the interface
//! specification describes it.
//!
//! Requests and answers are CBOR; an error is a status and a text, those of the platform's nodes
//! and API boundary nodes. Calls of v2 are answered at once, those of v3 and v4 with a certificate
//! of the outcome. The delegations in certificates suit all versions. A synchronous call waits for
//! at most ten seconds until other requests execute rounds. It executes a round itself if the
//! instance makes automatic progress.

use std::{fmt::Display, sync::Arc, time::Duration};

use axum::{
    body::{Body as HttpBody, Bytes},
    extract::{FromRequest, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use candid::Principal;
use ic_transport_types::{
    Envelope, EnvelopeContent, NodeSignature, QueryResponse, ReadStateResponse, RejectCode,
    RejectResponse, ReplyResponse, RequestId, SenderInfo, TransportCallResponse,
};
use serde::Serialize;
use serde_bytes::ByteBuf;
use tokio::time::Instant;

use crate::{
    http::{
        answer::{Answer, Body, Failure, Path},
        authentication::{authenticate, sender_info_as_given, verify_sender_info},
        instances::{Instance, Validation, follow_clock},
        shared::Shared,
    },
    ingress::{CallerInfo, EffectivePrincipal, Ingress, IngressStatus, MessageId},
    network::read_state::ReadStateError,
    reject::Reject,
    replica::Replica,
};

/// The timeout of a synchronous call, and the interval at which it polls.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// The longest nonce, in bytes.
const MAX_NONCE: usize = 32;
/// The longest request, and the longest call, in bytes.
const MAX_REQUEST: usize = 4 * 1024 * 1024;
const MAX_CALL: usize = 2 * 1024 * 1024;
/// The media type of requests and answers.
const CBOR: &str = "application/cbor";
/// The methods that users may call at the path of a subnet.
const CREATIONS: &[&str] = &["create_canister", "provisional_create_canister_with_cycles"];

/// `/instances/{id}/api/..`.
pub(super) async fn of_instance(
    State(server): State<Shared>,
    Path((id, path)): Path<(String, String)>,
    request: Request,
) -> Response {
    match server.instances.get(&id) {
        Ok(instance) => serve(instance, &path, request).await,
        Err(failure) => text(failure),
    }
}

/// Serves `/api/{path}`.
pub(super) async fn serve(instance: Arc<Instance>, path: &str, request: Request) -> Response {
    let mut response = try_serve(instance, path, request)
        .await
        .unwrap_or_else(text);
    // Front ends that were not loaded through the gateway are agents, too.
    const OPEN: [(HeaderName, &str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
    ];
    for (name, value) in OPEN {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn text(failure: Failure) -> Response {
    (failure.status, failure.message).into_response()
}

async fn try_serve(instance: Arc<Instance>, path: &str, request: Request) -> Answer<Response> {
    let method = request.method().clone();
    let media_type = request.headers().get(header::CONTENT_TYPE).cloned();
    let Body(body) = Body::from_request(request, &()).await?;
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let (version, effective, operation) = match segments.as_slice() {
        _ if method == Method::OPTIONS => return Ok(StatusCode::OK.into_response()),
        ["v2", "status"] if method == Method::GET => {
            return instance.run(|replica| cbor(&status(replica))).await;
        }
        [version @ ("v2" | "v3" | "v4"), "canister", id, operation] => {
            let id = principal("canister_id", id)?;
            (*version, EffectivePrincipal::Canister(id), *operation)
        }
        [version @ ("v2" | "v3" | "v4"), "subnet", id, operation] => {
            let id = principal("subnet_id", id)?;
            (*version, EffectivePrincipal::Subnet(id), *operation)
        }
        _ => return Err(Failure::not_found(format!("there is no path /api/{path}"))),
    };
    if method != Method::POST {
        return Err(Failure {
            status: StatusCode::METHOD_NOT_ALLOWED,
            ..Failure::bad_request(format!("/api/{path} does not take {method}"))
        });
    }
    let at_subnet = matches!(effective, EffectivePrincipal::Subnet(_));
    if !media_type
        .is_some_and(|media_type| media_type.as_bytes().eq_ignore_ascii_case(CBOR.as_bytes()))
    {
        return Err(Failure::bad_request(format!(
            "Unexpected content-type, expected {CBOR}."
        )));
    }
    if body.len() > MAX_REQUEST {
        let details = format!("Payload is too large: maximum body size is {MAX_REQUEST} bytes.");
        return Err(Failure {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..boundary_error("payload_too_large", &details)
        });
    }
    let validation = instance.validation;
    match (version, operation) {
        // Subnets are called and queried at the newest paths only.
        ("v2", "call" | "query") | ("v3", "call") if at_subnet => {
            Err(Failure::not_found(format!("there is no path /api/{path}")))
        }
        ("v2", "call") => call(instance, effective, body, false).await,
        ("v3" | "v4", "call") => call(instance, effective, body, true).await,
        ("v2" | "v3", "query") => {
            instance
                .run(move |replica| query(replica, effective, validation, &body))
                .await
        }
        ("v2" | "v3", "read_state") => {
            let legacy_ranges = version == "v2";
            instance
                .run(move |replica| {
                    read_state(replica, effective, validation, &body, legacy_ranges)
                })
                .await
        }
        _ => Err(Failure::not_found(format!("there is no path /api/{path}"))),
    }
}

#[derive(Serialize)]
struct Status {
    root_key: ByteBuf,
    replica_health_status: &'static str,
    impl_version: &'static str,
}

fn status(replica: &Replica) -> Status {
    Status {
        root_key: replica.root_key().into(),
        replica_health_status: "healthy",
        impl_version: env!("CARGO_PKG_VERSION"),
    }
}

/// Submits an update call, and waits for its outcome if it is `synchronous`.
async fn call(
    instance: Arc<Instance>,
    effective: EffectivePrincipal,
    body: Bytes,
    synchronous: bool,
) -> Answer<Response> {
    let validation = instance.validation;
    let submitted = instance
        .run(move |replica| submit(replica, effective, validation, &body))
        .await?;
    let (sender, id) = match submitted {
        Ok(submitted) => submitted,
        Err(reject) => {
            let reject = TransportCallResponse::NonReplicatedRejection(reject_response(&reject)?);
            return cbor(&reject);
        }
    };
    if !synchronous {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    if instance.is_progressing().await {
        instance.run(follow_clock).await?;
    }
    let until = Instant::now() + CALL_TIMEOUT;
    while Instant::now() < until {
        let certificate = instance
            .run(move |replica| match replica.ingress_status(&id) {
                IngressStatus::Done(_) => {
                    let path = vec![b"request_status".to_vec(), id.to_vec()];
                    certificate(replica, sender, effective, &[path]).map(Some)
                }
                _ => Ok(None),
            })
            .await?;
        if let Some(certificate) = certificate {
            return cbor(&TransportCallResponse::Replied { certificate });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(StatusCode::ACCEPTED.into_response())
}

fn submit(
    replica: &mut Replica,
    effective: EffectivePrincipal,
    validation: Validation,
    body: &[u8],
) -> Answer<Result<(Principal, MessageId), Reject>> {
    let envelope = envelope(body).map_err(|why| {
        Failure::bad_request(format!("Could not parse body as call message: {why}"))
    })?;
    let EnvelopeContent::Call {
        nonce,
        sender,
        canister_id,
        method_name,
        arg,
        sender_info,
        ..
    } = envelope.content.as_ref()
    else {
        return Err(unexpected(&envelope, "call"));
    };
    let mut ingress = ingress(*sender, *canister_id, method_name, arg, effective)?;
    replica
        .open_route(&ingress)
        .map_err(|_| unknown(effective))?;
    let id: MessageId = *envelope.content.to_request_id();
    if body.len() > MAX_CALL {
        return Err(Failure {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Failure::bad_request(format!(
                "Request 0x{} is too large. Message byte size {} is larger than the max allowed \
                 {MAX_CALL}.",
                hex::encode(id),
                body.len()
            ))
        });
    }
    if validation == Validation::Enabled {
        check_nonce(nonce.as_deref())?;
        check(replica, &envelope, &[*canister_id])?;
    }
    ingress.caller_info = caller_info(replica, &envelope, validation, sender_info.as_ref())?;
    check_subnet_method(effective, method_name, CREATIONS)?;
    Ok(replica
        .submit_as(id, ingress, body.len())
        .map(|()| (*sender, id)))
}

fn query(
    replica: &mut Replica,
    effective: EffectivePrincipal,
    validation: Validation,
    body: &[u8],
) -> Answer<Response> {
    check_subnet(replica, effective)?;
    let envelope = envelope(body).map_err(undecodable)?;
    let EnvelopeContent::Query {
        nonce,
        sender,
        canister_id,
        method_name,
        arg,
        sender_info,
        ..
    } = envelope.content.as_ref()
    else {
        return Err(unexpected(&envelope, "query"));
    };
    let mut query = ingress(*sender, *canister_id, method_name, arg, effective)?;
    if validation == Validation::Enabled {
        check_nonce(nonce.as_deref())?;
        check(replica, &envelope, &[*canister_id])?;
    }
    query.caller_info = caller_info(replica, &envelope, validation, sender_info.as_ref())?;
    check_subnet_method(effective, method_name, &["list_canisters"])?;
    let response = match replica.query(query) {
        Ok(arg) => QueryResponse::Replied {
            reply: ReplyResponse { arg },
            signatures: Vec::new(),
        },
        Err(reject) => QueryResponse::Rejected {
            reject: reject_response(&reject)?,
            signatures: Vec::new(),
        },
    };
    let signature = sign(
        replica,
        effective,
        &response,
        envelope.content.to_request_id(),
    )?;
    match &response {
        QueryResponse::Replied { reply, .. } => cbor(&Replied {
            status: "replied",
            reply,
            signatures: [signature],
        }),
        QueryResponse::Rejected { reject, .. } => cbor(&Rejected {
            status: "rejected",
            reject_code: reject.reject_code,
            reject_message: &reject.reject_message,
            error_code: reject.error_code.as_deref(),
            signatures: [signature],
        }),
    }
}

// Like `QueryResponse`, whose encoding has maps of indefinite length, which some agents cannot
// read.
#[derive(Serialize)]
struct Replied<'a> {
    status: &'static str,
    reply: &'a ReplyResponse,
    signatures: [NodeSignature; 1],
}

#[derive(Serialize)]
struct Rejected<'a> {
    status: &'static str,
    reject_code: RejectCode,
    reject_message: &'a str,
    error_code: Option<&'a str>,
    signatures: [NodeSignature; 1],
}

/// The signature of a response by the first node of the subnet.
fn sign(
    replica: &Replica,
    effective: EffectivePrincipal,
    response: &QueryResponse,
    request: RequestId,
) -> Answer<NodeSignature> {
    let timestamp = replica.time();
    let (identity, signature) = replica
        .sign_as_node(effective, &response.signable(request, timestamp))
        .ok_or_else(|| unknown(effective))?;
    Ok(NodeSignature {
        timestamp,
        signature,
        identity,
    })
}

fn read_state(
    replica: &mut Replica,
    effective: EffectivePrincipal,
    validation: Validation,
    body: &[u8],
    legacy_ranges: bool,
) -> Answer<Response> {
    check_subnet(replica, effective)?;
    let envelope = envelope(body).map_err(undecodable)?;
    let EnvelopeContent::ReadState { sender, paths, .. } = envelope.content.as_ref() else {
        return Err(unexpected(&envelope, "read_state"));
    };
    let targets = match effective {
        EffectivePrincipal::Canister(id) => vec![id],
        EffectivePrincipal::Subnet(_) => Vec::new(),
    };
    if validation == Validation::Enabled {
        check(replica, &envelope, &targets)?;
    }
    let paths: Vec<Vec<Vec<u8>>> = paths
        .iter()
        .map(|path| path.iter().map(|label| label.as_bytes().to_vec()).collect())
        .collect();
    let read = if legacy_ranges {
        Replica::read_state
    } else {
        Replica::read_state_without_legacy_ranges
    };
    let certificate = read(replica, *sender, effective, &paths).map_err(unreadable)?;
    cbor(&ReadStateResponse { certificate })
}

fn certificate(
    replica: &Replica,
    sender: Principal,
    effective: EffectivePrincipal,
    paths: &[Vec<Vec<u8>>],
) -> Answer<Vec<u8>> {
    let read = replica.read_state(sender, effective, paths);
    read.map_err(unreadable)
}

fn unreadable(error: ReadStateError) -> Failure {
    match error {
        ReadStateError::NotFound(why) => Failure::not_found(why),
        ReadStateError::Invalid(why) => Failure::bad_request(why),
        ReadStateError::Forbidden(why) => Failure::forbidden(why),
    }
}

fn check(replica: &Replica, envelope: &Envelope<'_>, targets: &[Principal]) -> Answer<()> {
    authenticate(envelope, targets, replica.time(), &replica.root_key())
}

/// The verified information about the sender.
fn caller_info(
    replica: &Replica,
    envelope: &Envelope<'_>,
    validation: Validation,
    info: Option<&SenderInfo>,
) -> Answer<Option<CallerInfo>> {
    let root_key = replica.root_key();
    let verified = info.map(|info| match validation {
        Validation::Enabled => verify_sender_info(envelope, info, &root_key),
        Validation::Disabled => sender_info_as_given(info),
    });
    verified.transpose()
}

fn check_nonce(nonce: Option<&[u8]>) -> Answer<()> {
    match nonce {
        Some(nonce) if nonce.len() > MAX_NONCE => Err(Failure::bad_request(format!(
            "Nonce in request is too big: got {} bytes, but at most {MAX_NONCE} are allowed.",
            nonce.len()
        ))),
        _ => Ok(()),
    }
}

fn ingress(
    sender: Principal,
    canister: Principal,
    method: &str,
    payload: &[u8],
    effective: EffectivePrincipal,
) -> Answer<Ingress> {
    let management = Principal::management_canister();
    let (EffectivePrincipal::Canister(id) | EffectivePrincipal::Subnet(id)) = effective;
    if canister != management && effective != EffectivePrincipal::Canister(canister) {
        return Err(Failure::bad_request(format!(
            "Specified CanisterId {canister} does not match effective canister id in URL {id}"
        )));
    }
    Ok(Ingress {
        sender,
        canister,
        method: method.to_owned(),
        payload: payload.to_vec(),
        effective: Some(effective),
        caller_info: None,
    })
}

/// Checks that a request at the path of a subnet calls one of these methods.
fn check_subnet_method(
    effective: EffectivePrincipal,
    method: &str,
    methods: &[&str],
) -> Answer<()> {
    match effective {
        EffectivePrincipal::Subnet(_) if !methods.contains(&method) => {
            Err(Failure::bad_request(format!(
                "at the path of a subnet, `{method}` is not supported, only {}",
                methods.join(" and ")
            )))
        }
        _ => Ok(()),
    }
}

fn reject_response(reject: &Reject) -> Answer<RejectResponse> {
    Ok(RejectResponse {
        reject_code: RejectCode::try_from(reject.code as u64).map_err(|e| {
            Failure::internal(format!("a reject that agents have no code for: {e}"))
        })?,
        reject_message: reject.message.clone(),
        error_code: Some(reject.error_code.clone()),
    })
}

/// Checks that there is a subnet for a request that does not create a canister.
fn check_subnet(replica: &Replica, effective: EffectivePrincipal) -> Answer<()> {
    if replica.has_subnet_for(effective) {
        Ok(())
    } else {
        Err(unknown(effective))
    }
}

/// The answer of an API boundary node if no subnet hosts the canister, or if there is no such
/// subnet.
fn unknown(effective: EffectivePrincipal) -> Failure {
    match effective {
        EffectivePrincipal::Canister(_) => boundary_error(
            "canister_not_found",
            "The specified canister does not exist.",
        ),
        EffectivePrincipal::Subnet(_) => {
            boundary_error("subnet_not_found", "The specified subnet cannot be found.")
        }
    }
}

/// An error in the form of API boundary nodes.
fn boundary_error(cause: &str, details: &str) -> Failure {
    Failure::bad_request(format!("error: {cause}\ndetails: {details}"))
}

/// Reads the principal `name` of a path.
fn principal(name: &str, text: &str) -> Answer<Principal> {
    Principal::from_text(text).map_err(|e| {
        let details = format!("Unable to decode {name} from URL: {e}");
        boundary_error("malformed_request", &details)
    })
}

fn envelope(body: &[u8]) -> Result<Envelope<'static>, serde_cbor::Error> {
    serde_cbor::from_slice(body)
}

fn undecodable(why: impl Display) -> Failure {
    Failure::bad_request(format!("Failed to deserialize cbor request: {why}"))
}

/// The refusal of a request of another kind than its path demands.
fn unexpected(envelope: &Envelope<'_>, expected: &str) -> Failure {
    let found = match envelope.content.as_ref() {
        EnvelopeContent::Call { .. } => "call",
        EnvelopeContent::Query { .. } => "query",
        EnvelopeContent::ReadState { .. } => "read_state",
    };
    undecodable(format!("unknown variant `{found}`, expected `{expected}`"))
}

/// An answer in self-describing CBOR.
fn cbor(value: &impl Serialize) -> Answer<Response> {
    let mut serializer = serde_cbor::Serializer::new(Vec::new());
    serializer
        .self_describe()
        .and_then(|()| value.serialize(&mut serializer))
        .map_err(|e| Failure::internal(format!("the answer can't be written as CBOR: {e}")))?;
    let body = HttpBody::from(serializer.into_inner());
    Ok(([(header::CONTENT_TYPE, CBOR)], body).into_response())
}
