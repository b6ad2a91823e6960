#[canic::update(hidden, hidden)]
fn work() {}

fn main() {}

//# not: error[E
