//! A root with the dependency under another name.

extern crate canic as other;

#[other::root(role(name = "worker"), crate = other)]
struct Fleet;

other::export_candid!();

fn main() {}
