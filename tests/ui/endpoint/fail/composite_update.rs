#[canic::update(composite)]
fn work() {}

fn main() {}

//# not: error[E
