#[canic::update(name = "")]
fn work() {}

fn main() {}

//# not: error[E
