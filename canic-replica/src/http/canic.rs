//! The extensions to PocketIC's protocol: trace, accounts, faults, and forks.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
};
use candid::Principal;
use serde::Serialize;

use crate::{
    faults::{ArmedFault, Chaos, Fault, FiredFault},
    http::{
        answer::{Answer, Failure, Json, Path, encode},
        shared::Shared,
    },
    replica::Replica,
    trace::{Accounts, Event},
};

/// A part of the trace. Only the last events are kept: if the first event has a higher number than
/// requested, the events between are dropped.
#[derive(Serialize)]
struct Trace<'a> {
    /// The number of the next event.
    next: u64,
    events: &'a [Event],
}

/// `GET /canic/instances/{id}/trace?from=SEQ`.
pub(super) async fn trace(
    State(server): State<Shared>,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer<Json> {
    let from = from(uri.query().unwrap_or_default())?;
    server
        .instances
        .get(&id)?
        .run(move |replica| {
            let events = replica.trace();
            let next = events.last().map_or(0, |event| event.seq + 1);
            let events = &events[events.partition_point(|event| event.seq < from)..];
            encode(&Trace { next, events })
        })
        .await
}

fn from(query: &str) -> Answer<u64> {
    match query.split_once('=') {
        None if query.is_empty() => Ok(0),
        Some(("from", seq)) => seq
            .parse()
            .map_err(|_| Failure::bad_request(format!("from={seq} is not the number of an event"))),
        _ => Err(Failure::bad_request(format!(
            "`{query}` is not a query; `from=SEQ` is"
        ))),
    }
}

pub(super) fn accounts(replica: &mut Replica) -> Answer<Accounts> {
    Ok(replica.accounts())
}

pub(super) fn canisters(replica: &mut Replica) -> Answer<Vec<Principal>> {
    Ok(replica.canisters())
}

pub(super) fn armed_faults(replica: &mut Replica) -> Answer<Vec<ArmedFault>> {
    Ok(replica.armed_faults().to_vec())
}

pub(super) fn inject(replica: &mut Replica, fault: Fault) -> Answer<()> {
    replica.inject(fault);
    Ok(())
}

pub(super) async fn clear_faults(
    State(server): State<Shared>,
    Path(id): Path<String>,
) -> Answer<Json> {
    let clear = |replica: &mut Replica| {
        replica.clear_faults();
        encode(&())
    };
    server.instances.get(&id)?.run(clear).await
}

pub(super) fn set_chaos(replica: &mut Replica, chaos: Option<Chaos>) -> Answer<()> {
    replica.set_chaos(chaos);
    Ok(())
}

pub(super) fn fired_faults(replica: &mut Replica) -> Answer<Vec<FiredFault>> {
    Ok(replica.fired_faults().to_vec())
}

#[derive(Serialize)]
struct Forked {
    instance_id: usize,
}

/// The fork makes no automatic progress, and has no gateway.
pub(super) async fn fork(
    State(server): State<Shared>,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json)> {
    let copy = |replica: &mut Replica| Ok(replica.clone());
    let original = server.instances.get(&id)?;
    let replica = original.run(copy).await?;
    let (instance_id, _) = server.instances.add(replica, original.validation);
    Ok((StatusCode::CREATED, encode(&Forked { instance_id })?))
}
