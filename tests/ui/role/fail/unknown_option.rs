#[canic::role("worker", htpp)]
struct Worker;

fn main() {}

//# not: error[E
