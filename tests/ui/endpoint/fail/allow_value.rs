#[canic::update(allow(root = true))]
fn work() {}

fn main() {}

//# not: error[E
