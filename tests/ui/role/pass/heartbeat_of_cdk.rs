//! ic-cdk may export what canic does not, and an endpoint of its may have a hook's name elsewhere.

#[canic::role("worker")]
struct Worker;

#[ic_cdk::heartbeat]
fn heartbeat() {}

#[ic_cdk::query]
fn http_request(_: Vec<u8>) -> Vec<u8> {
    Vec::new()
}

mod other {
    #[ic_cdk::update(name = "begin")]
    fn init() {}
}

canic::export_candid!();

fn main() {}
