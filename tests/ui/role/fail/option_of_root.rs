#[canic::role("worker", max = 3)]
struct Worker;

fn main() {}

//# not: error[E
