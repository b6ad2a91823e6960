#[canic::update(name = "canic_work")]
fn work() {}

fn main() {}

//# not: error[E
