#[canic::role(name = "worker")]
struct Worker;

fn main() {}

//# not: error[E
