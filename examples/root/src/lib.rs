//! The root of a fleet with a notebook for every user and a guest book for every club.

use canic::prelude::*;
use example_types::WorkerArgs;

/// The fleet.
///
/// A canister of the pool has exactly the cycles that a member starts with. A pool hit therefore
/// takes a single management call.
#[canic::root(
    pool(min = 2, max = 10, cycles = "2T"),
    role(
        name = "worker",
        args = WorkerArgs,
        max = 100,
        cycles = "2T",
        rollout(canary = 1, bake = "1m", on_failure = "undo"),
    ),
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

/// The caller's own worker. The first call provisions it, and later calls return the same one.
#[canic::update(guard = is_signed_in)]
async fn sign_up() -> Result<Provisioned, ProvisionError> {
    let owner = ic_cdk::api::msg_caller();
    Fleet::worker()
        .key(owner.to_text())
        .args(WorkerArgs { owner })
        .provision()
        .await
}

/// The club with a name. The first call provisions it, and later calls return the same one.
///
/// The club provisions its pages itself.
#[canic::update(guard = is_signed_in)]
async fn open_club(name: String) -> Result<Provisioned, ProvisionError> {
    Fleet::club().key(name).provision().await
}

/// A user's worker, if the user has one.
#[canic::query]
fn where_is(user: Principal) -> Option<Principal> {
    canic::fleet::lookup_local("worker", &user.to_text())
}

canic::export_candid!();
