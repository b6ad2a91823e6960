#[canic::role("worker", http, http)]
struct Worker;

fn main() {}

//# not: error[E
