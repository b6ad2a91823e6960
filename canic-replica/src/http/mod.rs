//! The protocol of PocketIC over HTTP, so that tests written with the ordinary `pocket-ic` client
//! run on this replica.
//!
//! Requests and answers are those of PocketIC's client (`protocol`). Every operation is answered at
//! once with its result (200; 201 for a new instance): the 202 and 409 by which PocketIC tells a
//! client to come back, and the paths `/read_graph` and `/prune_graph` that go with them, do not
//! occur. A request that can't be served gets `{"message": ".."}` with 400 (it is malformed, or the
//! instance refuses it), 403, 404 (no such path, instance, canister, subnet, blob), 405, 413, 500
//! (an error of the server), or 501 (PocketIC serves it, canic-replica does not). A failed creation
//! of an instance or a gateway answers `{"Error": {"message": ".."}}` instead, as the client
//! expects.
//!
//! The interface for agents, `api/v2` and so on, is below `/instances/{id}/` and on the port of a
//! gateway. The pages of canisters on that port are those of an HTTP gateway, with its refusals.
//!
//! The extensions to the protocol are below `/canic/instances/{id}`, in JSON: `GET trace?from=SEQ`,
//! `GET accounts`, `GET canisters`; `POST`, `GET` and `DELETE faults`, `POST chaos`, `GET
//! fired_faults`; and `POST fork`, which copies the instance and answers the copy's number.
//! `client::Control` of this crate is a client for them (feature `client`).
//!
//! # What is not served
//!
//! Each of these answers 501, `canic-replica does not serve ..`:
//!
//! - creating an instance with incomplete state, bitcoind or dogecoind, or `icp_features` other
//!   than `icp_token`, `cycles_token` and `cycles_minting`; or with subnets that have an existing
//!   state;
//! - HTTPS gateways, gateways with custom domains from a file, and those in front of another
//!   replica.
//!
//! A state directory is read when an instance is created, and written when it is deleted; its form
//! is not PocketIC's. The subnets of a state that is there take the place of those that are asked
//! for.
//!
//! All other options are honoured; `log_level` is checked, but the server writes no log of an
//! instance. A canister that is created with an id of the mainnet brings the mainnet's subnet of
//! this id, as on PocketIC.
//!
//! The server makes no HTTP outcalls, not even with automatic progress: only tests answer them.
//! Other outcalls are rejected after a minute (`Canister http request timed out`).

mod activity;
mod agent;
mod answer;
mod authentication;
mod blobstore;
mod canic;
mod config;
mod gateway;
mod gateways;
mod instances;
mod keeper;
pub mod live;
mod operations;
mod outcalls;
mod protocol;
mod shared;
mod signatures;
mod snapshots;
mod web_authentication;

use std::{future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, delete, get, post},
    serve::ListenerExt,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::TcpListener, task::spawn_blocking};

use crate::{
    http::{
        answer::{Answer, Body, Failure, Json, MAX_BODY, Path, decode, encode, unknown_method},
        authentication::verify_canister_signature,
        protocol::{
            AutoProgressConfig, CreateInstanceResponse, InitialTime, InstanceConfig,
            RawSetStableMemory, RawVerifyCanisterSigArg,
        },
        shared::Shared,
    },
    replica::Replica,
};

/// A server of instances, bound to its address. Run it on a multi-threaded tokio runtime.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Binds an address. Port 0 means any free port.
    ///
    /// # Errors
    ///
    /// The address is not available.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The port that the server listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Serves until the server has been idle for `ttl`; without it, for ever. Dropping the future
    /// stops the server, too.
    ///
    /// # Errors
    ///
    /// The listener fails.
    pub async fn run(self, ttl: Option<Duration>) -> io::Result<()> {
        self.serve(Shared::default(), ttl).await
    }

    async fn serve(self, server: Shared, ttl: Option<Duration>) -> io::Result<()> {
        let idle = {
            let server = server.clone();
            async move {
                match ttl {
                    Some(ttl) => server.activity.idle_for(ttl).await,
                    None => future::pending().await,
                }
            }
        };
        // Answers are small, and clients wait for each: Nagle's algorithm would delay some by 40
        // ms.
        let listener = self.listener.tap_io(|stream| {
            if let Err(e) = stream.set_nodelay(true) {
                eprintln!("TCP_NODELAY can't be set: {e}");
            }
        });
        axum::serve(listener, router(server))
            .with_graceful_shutdown(idle)
            .await
    }
}

fn router(server: Shared) -> Router {
    let routes = [
        ("/status", get(|| async {})),
        ("/blobstore", post(blobstore::upload)),
        ("/blobstore/{id}", get(blobstore::download)),
        ("/instances", get(list_instances).post(create_instance)),
        ("/instances/{id}", delete(delete_instance)),
        ("/instances/{id}/_/topology", read(operations::topology)),
        ("/instances/{id}/read/topology", read(operations::topology)),
        ("/instances/{id}/read/get_time", read(operations::get_time)),
        (
            "/instances/{id}/read/get_canister_http",
            read(outcalls::pending),
        ),
        (
            "/instances/{id}/read/get_cycles",
            with(operations::get_cycles),
        ),
        (
            "/instances/{id}/read/get_controllers",
            with(operations::get_controllers),
        ),
        (
            "/instances/{id}/read/get_stable_memory",
            with(operations::get_stable_memory),
        ),
        (
            "/instances/{id}/read/get_subnet",
            with(operations::get_subnet),
        ),
        ("/instances/{id}/read/pub_key", with(operations::pub_key)),
        (
            "/instances/{id}/read/ingress_status",
            with(operations::ingress_status),
        ),
        ("/instances/{id}/read/query", with(operations::query)),
        (
            "/instances/{id}/update/submit_ingress_message",
            with(operations::submit_ingress_message),
        ),
        (
            "/instances/{id}/update/await_ingress_message",
            with(operations::await_ingress_message),
        ),
        ("/instances/{id}/update/tick", with(operations::tick)),
        (
            "/instances/{id}/update/set_time",
            with(operations::set_time),
        ),
        (
            "/instances/{id}/update/set_certified_time",
            with(operations::set_certified_time),
        ),
        (
            "/instances/{id}/update/add_cycles",
            with(operations::add_cycles),
        ),
        (
            "/instances/{id}/update/set_stable_memory",
            post(set_stable_memory),
        ),
        (
            "/instances/{id}/auto_progress",
            get(auto_progress_enabled).post(auto_progress),
        ),
        ("/instances/{id}/stop_progress", post(stop_progress)),
        (
            "/instances/{id}/update/mock_canister_http",
            with(outcalls::mock),
        ),
        (
            "/instances/{id}/update/mock_flexible_canister_http",
            with(outcalls::mock_flexible),
        ),
        (
            "/instances/{id}/update/delete_subnet",
            with(operations::delete_subnet),
        ),
        (
            "/instances/{id}/update/canister_snapshot_download",
            with(snapshots::download),
        ),
        (
            "/instances/{id}/update/canister_snapshot_upload",
            with(snapshots::upload),
        ),
        ("/verify_signature", post(verify_signature)),
        ("/http_gateway", get(gateway::list).post(gateway::create)),
        ("/http_gateway/{id}/stop", post(gateway::stop)),
        ("/canic/instances/{id}/trace", get(canic::trace)),
        ("/canic/instances/{id}/accounts", read(canic::accounts)),
        ("/canic/instances/{id}/canisters", read(canic::canisters)),
        (
            "/canic/instances/{id}/faults",
            read(canic::armed_faults)
                .merge(with(canic::inject))
                .delete(canic::clear_faults),
        ),
        ("/canic/instances/{id}/chaos", with(canic::set_chaos)),
        (
            "/canic/instances/{id}/fired_faults",
            read(canic::fired_faults),
        ),
        ("/canic/instances/{id}/fork", post(canic::fork)),
    ];
    let mut router = Router::new().route("/instances/{id}/api/{*path}", any(agent::of_instance));
    for (path, methods) in routes {
        // The client ends some paths with a slash.
        router = router
            .route(&format!("{path}/"), methods.clone())
            .route(path, methods);
    }
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&server.activity),
            activity::track,
        ))
        .with_state(server)
}

/// A route for an operation without an argument.
fn read<R: Serialize + 'static>(operation: fn(&mut Replica) -> Answer<R>) -> MethodRouter<Shared> {
    get(
        async move |State(server): State<Shared>, Path(id): Path<String>| {
            server
                .instances
                .get(&id)?
                .run(move |replica| encode(&operation(replica)?))
                .await
        },
    )
}

/// A route for an operation with an argument. The body is decoded and the answer encoded on the
/// thread that may block: either may have a hundred megabytes.
fn with<T: DeserializeOwned + 'static, R: Serialize + 'static>(
    operation: fn(&mut Replica, T) -> Answer<R>,
) -> MethodRouter<Shared> {
    post(
        async move |State(server): State<Shared>, Path(id): Path<String>, Body(body): Body| {
            server
                .instances
                .get(&id)?
                .run(move |replica| encode(&operation(replica, decode(&body)?)?))
                .await
        },
    )
}

async fn unknown_path(uri: Uri) -> Failure {
    Failure::not_found(format!("there is no path {}", uri.path()))
}

async fn list_instances(State(server): State<Shared>) -> Answer<Json> {
    encode(&server.instances.statuses())
}

async fn create_instance(State(server): State<Shared>, Body(body): Body) -> Response {
    let (status, answer) = match try_create_instance(&server, &body).await {
        Ok(created) => (StatusCode::CREATED, created),
        Err(Failure { status, message }) => (status, CreateInstanceResponse::Error { message }),
    };
    (status, encode(&answer)).into_response()
}

async fn try_create_instance(server: &Shared, body: &[u8]) -> Answer<CreateInstanceResponse> {
    let asked: InstanceConfig = decode(body)?;
    let (config, validation) = config::config(&asked)?;
    let state_dir = asked.state_dir.clone();
    let (replica, folder) = spawn_blocking(move || keeper::open(state_dir.as_deref(), config))
        .await
        .map_err(|e| Failure::internal(format!("the instance could not be created: {e}")))?
        .map_err(Failure::bad_request)?;
    let (instance_id, instance) = server.instances.add_kept(replica, validation, folder);
    if let Some(InitialTime::AutoProgress(config)) = &asked.initial_time {
        instance.start_progress(round_delay(config)).await?;
    }
    let topology = instance.run(operations::topology).await?;
    let http_gateway_info = match asked.http_gateway_config {
        None => None,
        Some(config) => match gateway::open(server, instance_id, instance, config).await {
            Ok(info) => Some(info),
            Err(failure) => {
                // The caller will not learn its number.
                server.instances.delete(&instance_id.to_string()).await?;
                return Err(failure);
            }
        },
    };
    Ok(CreateInstanceResponse::Created {
        instance_id,
        topology,
        http_gateway_info,
    })
}

async fn delete_instance(State(server): State<Shared>, Path(id): Path<String>) -> Answer<()> {
    let number = server.instances.delete(&id).await?;
    server.gateways.close_for(number).await;
    Ok(())
}

/// Verifies a canister signature. The answer is the client's `Result<(), String>`.
async fn verify_signature(Body(body): Body) -> Answer<Json> {
    let RawVerifyCanisterSigArg {
        msg,
        sig,
        pubkey,
        root_pubkey,
    } = decode(&body)?;
    encode(&verify_canister_signature(
        &msg,
        &sig,
        &pubkey,
        &root_pubkey,
    ))
}

async fn set_stable_memory(
    State(server): State<Shared>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Answer<Json> {
    let instance = server.instances.get(&id)?;
    let RawSetStableMemory {
        canister_id,
        blob_id,
    } = decode(&body)?;
    let canister = operations::principal(&canister_id)?;
    let blob = server.blobs.get(&blob_id.0)?;
    instance
        .run(move |replica| {
            replica
                .set_stable_memory(canister, blob.unpack()?)
                .map_err(Failure::bad_request)?;
            encode(&())
        })
        .await
}

async fn auto_progress(
    State(server): State<Shared>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Answer<Json> {
    let instance = server.instances.get(&id)?;
    instance
        .start_progress(round_delay(&decode(&body)?))
        .await?;
    encode(&())
}

fn round_delay(config: &AutoProgressConfig) -> Option<Duration> {
    config.artificial_delay_ms.map(Duration::from_millis)
}

async fn auto_progress_enabled(
    State(server): State<Shared>,
    Path(id): Path<String>,
) -> Answer<Json> {
    encode(&server.instances.get(&id)?.is_progressing().await)
}

async fn stop_progress(State(server): State<Shared>, Path(id): Path<String>) -> Answer<Json> {
    server.instances.get(&id)?.stop_progress().await;
    encode(&())
}
