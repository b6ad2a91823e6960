//! A root of workers with a pool whose canisters have exactly the cycles that a worker starts with.
//!
//! Root creates no canister for the pool before there is demand.

/// The fleet.
#[canic::root(
    pool(min = 0, max = 12, cycles = "2T"),
    role(name = "worker", cycles = "2T")
)]
pub struct Fleet;

canic::export_candid!();
