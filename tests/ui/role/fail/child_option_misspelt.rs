#[canic::role("hub", child(name = "shard", arsg = u64))]
struct Hub;

fn main() {}

//# not: error[E
