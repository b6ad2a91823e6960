#[canic::role(worker)]
struct Worker;

fn main() {}

//# not: error[E
