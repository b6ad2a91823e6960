#[canic::update(allow(role = "Hub"))]
fn work() {}

fn main() {}

//# not: error[E
