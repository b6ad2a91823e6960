//# not: duplicate definitions

#[canic::role("hub", child(name = "shard", args = u64), child(name = "shard"))]
struct Hub;

fn main() {}
