#[canic::role("worker")]
fn worker() {}

fn main() {}

//# not: error[E
