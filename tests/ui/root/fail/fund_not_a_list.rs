#[canic::root(role(name = "worker", fund = "7d"))]
struct Fleet;

fn main() {}

//# not: error[E
