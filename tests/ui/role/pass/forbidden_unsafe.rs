//! Generated exports below an author's `forbid(unsafe_code)`.

#![forbid(unsafe_code)]

struct Worker;

#[canic::role("worker", http)]
impl Worker {
    fn init(_: String) {}
}

#[canic::query]
fn seven() -> u64 {
    7
}

canic::export_candid!();

fn main() {}
