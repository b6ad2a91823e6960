#[canic::update]
#[canic::query]
fn work() {}

fn main() {}

//# not: error[E
