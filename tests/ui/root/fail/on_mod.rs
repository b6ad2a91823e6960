#[canic::root]
mod fleet {}

fn main() {}
