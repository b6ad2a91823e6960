//! A notebook for every user: the root, which gives each user a worker canister of their own.

use canic::api::{ProvisionError, Provisioned};
use canic::prelude::*;

/// What a worker is installed with: the same Candid record as in the worker's crate.
#[derive(CandidType, Deserialize)]
pub struct WorkerArgs {
    /// The user whose notes these are.
    pub owner: Principal,
}

/// The fleet. A canister of the pool has just what a worker needs, so that using one takes a single call.
#[canic::root(
    pool(min = 2, max = 10, cycles = "2T"),
    role(name = "worker", args = WorkerArgs, max = 100, cycles = "2T"),
)]
pub struct Fleet;

fn is_signed_in() -> Result<(), String> {
    if ic_cdk::api::msg_caller() == Principal::anonymous() {
        return Err("sign in first: an anonymous caller can't own a notebook".to_string());
    }
    Ok(())
}

/// The caller's own worker: made at the first call, and the same one ever after.
#[canic::update(guard = is_signed_in)]
async fn sign_up() -> Result<Provisioned, ProvisionError> {
    let owner = ic_cdk::api::msg_caller();
    Fleet::worker()
        .key(owner.to_text())
        .args(WorkerArgs { owner })
        .provision()
        .await
}

/// A user's worker, if there is one.
#[canic::query]
fn where_is(user: Principal) -> Option<Principal> {
    canic::fleet::lookup_local("worker", &user.to_text())
}

canic::export_candid!();
