#[canic::role]
struct Worker;

fn main() {}

//# not: error[E
