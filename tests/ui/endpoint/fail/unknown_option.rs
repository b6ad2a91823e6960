#[canic::update(gaurd = check)]
fn work() {}

fn main() {}

//# not: error[E
