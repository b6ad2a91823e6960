#[canic::role("worker", subscribes = "worker")]
struct Worker;

fn main() {}

//# not: error[E
