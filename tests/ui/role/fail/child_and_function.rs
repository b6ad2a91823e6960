//# not: unused

#[canic::role("hub", child(name = "shard"))]
struct Hub;

impl Hub {
    fn shard() {}
}

fn main() {}
