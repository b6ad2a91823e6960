#[canic::update(allow("hub"))]
fn work() {}

fn main() {}

//# not: error[E
