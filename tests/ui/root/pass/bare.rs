//! A root without options.

#[canic::root]
struct Fleet;

canic::export_candid!();

fn main() {}
