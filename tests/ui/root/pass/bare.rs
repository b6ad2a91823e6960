//! A root without options.

#[canic::root]
struct Fleet;

fn main() {}
