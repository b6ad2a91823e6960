#[canic::update(allow(controler))]
fn work() {}

fn main() {}

//# not: error[E
