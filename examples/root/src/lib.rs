//! A notebook for every user, and a guest book for every club: the root of both, which makes all canisters.

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
    role(name = "club", max = 20, cycles = "2T"),
    role(name = "page", parents("club"), max_per_parent = 10, cycles = "2T"),
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

/// The club of a name: made at the first call, and the same one ever after. It makes its pages itself.
#[canic::update(guard = is_signed_in)]
async fn open_club(name: String) -> Result<Provisioned, ProvisionError> {
    Fleet::club().key(name).provision().await
}

/// A user's worker, if there is one.
#[canic::query]
fn where_is(user: Principal) -> Option<Principal> {
    canic::fleet::lookup_local("worker", &user.to_text())
}

canic::export_candid!();
