#[canic::root(role(name = "worker", watches = "worker"))]
struct Fleet;

fn main() {}

//# not: error[E
