//! A role that is told the releases of the members that it watches, and one that is not.

use canic::{fleet, prelude::*};

#[canic::root(
    role(name = "worker"),
    role(name = "page", parents("root", "index")),
    role(name = "index", watches("worker", releases, "page")),
    role(name = "monitor", watches("worker")),
)]
struct Fleet;

#[canic::query]
fn release_of(canister: Principal) -> Option<u32> {
    fleet::release_of(canister)
}

canic::export_candid!();

fn main() {}
