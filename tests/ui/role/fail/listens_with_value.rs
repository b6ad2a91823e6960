#[canic::role("worker", listens = "worker")]
struct Worker;

fn main() {}

//# not: error[E
