#[canic::root(role(name = "worker"))]
struct Fleet;

impl Fleet {
    fn worker() {}
}

canic::export_candid!();

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
