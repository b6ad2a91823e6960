#[canic::role("worker", http)]
struct Worker;

#[canic::query]
fn http_request(_: Vec<u8>) -> Vec<u8> {
    Vec::new()
}

canic::export_candid!();

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
