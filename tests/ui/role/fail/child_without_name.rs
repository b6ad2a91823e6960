#[canic::role("hub", child(args = u64))]
struct Hub;

fn main() {}

//# not: error[E
