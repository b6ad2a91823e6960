
#[canic::role("worker", stable_memory = "501GiB")]
struct Worker;

fn main() {}

//# not: error[E
