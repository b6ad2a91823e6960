#[canic::update("work")]
fn work() {}

fn main() {}

//# not: error[E
