#[canic::role("hub", child(name = "shard"), subscribes = false)]
struct Hub;

fn main() {}

//# not: error[E
