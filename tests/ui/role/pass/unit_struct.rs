//! A member without hooks.

#[canic::role("worker")]
struct Worker;

fn main() {}
