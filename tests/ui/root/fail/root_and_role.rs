#[canic::root]
struct Fleet;

#[canic::role("worker")]
struct Worker;

canic::export_candid!();

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
