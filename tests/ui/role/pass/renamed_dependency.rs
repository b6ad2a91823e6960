//! A member with the dependency under another name, in a module below the crate's root.

extern crate canic as other;

mod inner {
    #[other::role("worker", crate = other)]
    struct Worker;
}

other::export_candid!();

fn main() {}
