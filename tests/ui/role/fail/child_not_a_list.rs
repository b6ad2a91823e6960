#[canic::role("hub", child = "shard")]
struct Hub;

fn main() {}

//# not: error[E
