#[canic::update]
fn work(_job: impl Into<String>) {}

fn main() {}

//# not: error[E
