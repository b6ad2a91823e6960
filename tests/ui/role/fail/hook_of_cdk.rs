#[canic::role("worker")]
struct Worker;

#[ic_cdk::init]
fn init() {}

#[ic_cdk::inspect_message]
fn inspect_message() {}

canic::export_candid!();

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0428
