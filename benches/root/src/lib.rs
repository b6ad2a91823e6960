//! A root of workers without a pool: it creates each canister on request.

/// The fleet.
#[canic::root(role(name = "worker", cycles = "2T"))]
pub struct Fleet;

canic::export_candid!();
