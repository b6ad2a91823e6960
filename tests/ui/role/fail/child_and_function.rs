//# not: unused

#[canic::role("hub", child(name = "shard"))]
struct Hub;

impl Hub {
    fn shard() {}
}

canic::export_candid!();

fn main() {}
