//! A member without hooks.

#[canic::role("worker")]
struct Worker;

canic::export_candid!();

fn main() {}
