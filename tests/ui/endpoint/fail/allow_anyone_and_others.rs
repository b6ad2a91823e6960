#[canic::update(allow(anyone, root))]
fn work() {}

fn main() {}

//# not: error[E
