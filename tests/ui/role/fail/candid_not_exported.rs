#[canic::role("worker")]
struct Worker;

// At the root of the crate it is looked for, and nowhere else.
mod elsewhere {
    canic::export_candid!();
}

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
