#[canic::root(role(name = "worker", args = Vec<u8))]
struct Fleet;

fn main() {}

//# not: error[E
