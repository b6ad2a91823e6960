canic::export_candid!();

#[canic::role("worker")]
struct Worker;

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
