#[canic::update(name = work)]
fn work() {}

fn main() {}

//# not: error[E
