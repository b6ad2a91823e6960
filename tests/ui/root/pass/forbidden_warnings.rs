//! Generated code below an author's `forbid(warnings)`.

#![forbid(warnings, unsafe_code)]

#[canic::root(role(name = "worker"))]
struct Fleet;

canic::export_candid!();

fn main() {}
