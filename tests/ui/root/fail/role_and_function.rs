#[canic::root(role(name = "worker"))]
struct Fleet;

impl Fleet {
    fn worker() {}
}

fn main() {}
