#[canic::role("hub", child(name = "shard", max = 3))]
struct Hub;

fn main() {}

//# not: error[E
