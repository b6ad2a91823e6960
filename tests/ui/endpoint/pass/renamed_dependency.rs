//! An endpoint with the dependency under another name.

extern crate canic as other;

#[other::query(crate = other)]
fn seven() -> u64 {
    7
}

other::export_candid!();

fn main() {}
