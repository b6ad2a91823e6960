#[canic::root(role(name = "worker", fund(below = "7d", to = "3651d")))]
struct Fleet;

fn main() {}

//# not: error[E
