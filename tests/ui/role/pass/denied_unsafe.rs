//! Generated exports do not trip over an author's `deny(unsafe_code)`.

#![deny(unsafe_code)]

#[canic::role("worker")]
struct Worker;

#[canic::query]
fn seven() -> u64 {
    7
}

fn main() {}
