#[canic::root(role(name = "worker", fund(below = "7d")))]
struct Fleet;

fn main() {}

//# not: error[E
