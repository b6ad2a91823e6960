#[canic::root(role(name = "worker", fund(below = "30d", to = "7d")))]
struct Fleet;

fn main() {}

//# not: error[E
