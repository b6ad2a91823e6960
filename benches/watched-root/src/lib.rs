//! A root of workers, and of watchers to which it announces each worker.

/// The fleet.
#[canic::root(
    role(name = "worker", cycles = "2T"),
    role(name = "watcher", cycles = "2T", watches("worker"))
)]
pub struct Fleet;

canic::export_candid!();
