#[canic::role("hub", child(name = "Shard"))]
struct Hub;

fn main() {}

//# not: error[E
