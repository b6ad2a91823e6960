#[canic::role("worker")]
struct Worker;

mod interface {
    canic::export_candid!();
}

canic::export_candid!();

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
