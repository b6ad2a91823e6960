//! An endpoint that is no part of the interface may stand below it.

canic::export_candid!();

#[canic::query(hidden)]
fn jobs() -> u64 {
    7
}

fn main() {}
