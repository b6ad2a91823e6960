#[canic::role("The Worker")]
struct Worker;

fn main() {}

//# not: error[E
