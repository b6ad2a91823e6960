//! A heartbeat that is not asynchronous.

struct Worker;

#[canic::role("worker")]
impl Worker {
    fn heartbeat() {}
}

canic::export_candid!();

fn main() {}
