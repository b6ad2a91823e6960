#[canic::role("worker")]
struct Worker;

ic_cdk::export_candid!();

canic::export_candid!();

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0428
