#[canic::root(role(name = "worker", fund(below = "7w", to = "30d")))]
struct Fleet;

fn main() {}

//# not: error[E
