#[canic::role("root")]
struct Worker;

fn main() {}

//# not: error[E
