//! The gateway's calls to a canister, as the anonymous principal.

use candid::Principal;

use crate::{
    http::gateway::refusal::Refusal,
    ingress::{EffectivePrincipal, Ingress},
    replica::Replica,
};

/// Calls a query method; returns its reply.
pub(super) fn query(
    replica: &mut Replica,
    canister: Principal,
    method: &str,
    argument: Vec<u8>,
) -> Result<Vec<u8>, Refusal> {
    replica
        .query(ingress(canister, method, argument))
        .map_err(|reject| Refusal::rejected(canister, &reject))
}

/// Calls an update method, and executes rounds until it replies.
pub(super) fn update(
    replica: &mut Replica,
    canister: Principal,
    method: &str,
    argument: Vec<u8>,
) -> Result<Vec<u8>, Refusal> {
    let id = replica
        .submit(ingress(canister, method, argument))
        .map_err(|reject| Refusal::rejected(canister, &reject))?;
    replica
        .await_ingress(&id)
        .map_err(Refusal::unusable_answer)?
        .map_err(|reject| Refusal::rejected(canister, &reject))
}

fn ingress(canister: Principal, method: &str, payload: Vec<u8>) -> Ingress {
    Ingress {
        sender: Principal::anonymous(),
        canister,
        method: method.to_owned(),
        payload,
        effective: Some(EffectivePrincipal::Canister(canister)),
        caller_info: None,
    }
}
