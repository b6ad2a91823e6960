//! A root of workers that creates each canister when it is asked for one.

/// The fleet.
#[canic::root(role(name = "worker", cycles = "2T"))]
pub struct Fleet;

canic::export_candid!();
