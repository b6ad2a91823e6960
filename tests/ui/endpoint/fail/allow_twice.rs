#[canic::update(allow(root, parent, root))]
fn work() {}

fn main() {}

//# not: error[E
