//! A root of workers that has canisters in stock: each with what a worker starts with. It makes none before they are wanted.

/// The fleet.
#[canic::root(
    pool(min = 0, max = 12, cycles = "2T"),
    role(name = "worker", cycles = "2T")
)]
pub struct Fleet;

canic::export_candid!();
