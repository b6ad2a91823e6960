//! Every option of a role's rollouts, and the limits of each.

/// The fleet.
#[canic::root(
    role(
        name = "worker",
        rollout(
            canary = "5%",
            bake = "10m",
            concurrent = 50,
            max_failures = "100%",
            on_failure = "undo",
            snapshot = "all",
            health_timeout = "1d",
            keep = "30d",
            manual,
        ),
    ),
    role(
        name = "hub",
        rollout(
            canary = 1,
            bake = "0s",
            concurrent = 1,
            max_failures = 0,
            on_failure = "pause",
            snapshot = "none",
            health_timeout = "1s",
            keep = "0s",
            manual = false,
        ),
    ),
    role(name = "page", rollout(manual)),
    role(name = "club", rollout(snapshot = "canary", bake = "720h", canary = "100%")),
)]
pub struct Fleet;

canic::export_candid!();

fn main() {}
