#[canic::role("hub", child(name = "shard", args = 7))]
struct Hub;

fn main() {}

//# not: error[E
