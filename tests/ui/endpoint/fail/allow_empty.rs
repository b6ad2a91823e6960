#[canic::update(allow())]
fn work() {}

fn main() {}

//# not: error[E
