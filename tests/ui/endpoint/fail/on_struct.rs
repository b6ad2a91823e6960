#[canic::update]
struct Work;

fn main() {}

//# not: error[E
