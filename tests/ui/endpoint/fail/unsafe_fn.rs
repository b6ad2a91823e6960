#[canic::update]
unsafe fn work() {}

fn main() {}

//# not: error[E
