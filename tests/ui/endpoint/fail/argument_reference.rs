#[canic::update]
fn work(_job: &str, _bytes: &[u8]) {}

fn main() {}

//# not: error[E
