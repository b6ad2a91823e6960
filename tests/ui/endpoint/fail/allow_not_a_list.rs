#[canic::update(allow = root)]
fn work() {}

fn main() {}

//# not: error[E
