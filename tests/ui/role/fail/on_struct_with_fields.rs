#[canic::role("worker")]
struct Worker(u64);

fn main() {}

//# not: error[E
