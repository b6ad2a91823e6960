#[canic::role("hub", child(name = "shard", args = &'static [u8]))]
struct Hub;

fn main() {}

//# not: error[E
