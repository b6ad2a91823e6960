#[canic::root]
struct Fleet {
    members: u64,
}

fn main() {}

//# not: error[E
