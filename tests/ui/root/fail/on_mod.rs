#[canic::root]
mod fleet {}

fn main() {}

//# not: error[E
