#[canic::update]
fn work<T>(_job: T) {}

fn main() {}

//# not: error[E
