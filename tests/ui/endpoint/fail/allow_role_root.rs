#[canic::update(allow(role = "root"))]
fn work() {}

fn main() {}

//# not: error[E
