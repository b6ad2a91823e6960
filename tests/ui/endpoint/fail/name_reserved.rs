#[canic::update]
fn canic_work() {}

fn main() {}

//# not: error[E
