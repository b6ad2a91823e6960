#[canic::root(role(name = "worker", parents = "root"))]
struct Fleet;

fn main() {}

//# not: error[E
