#[canic::role("worker")]
struct Worker;

// The attribute finds the export at the root of the crate only.
mod elsewhere {
    canic::export_candid!();
}

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
