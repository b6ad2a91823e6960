#[canic::root(role(name = "worker", fund(below = "0d", to = "30d")))]
struct Fleet;

fn main() {}

//# not: error[E
