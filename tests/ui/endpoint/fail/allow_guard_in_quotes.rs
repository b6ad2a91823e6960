#[canic::update(allow(guard = "check"))]
fn work() {}

fn main() {}

//# not: error[E
