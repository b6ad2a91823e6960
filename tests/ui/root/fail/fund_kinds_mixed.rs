#[canic::root(role(name = "worker", fund(below = "7d", to = "2T")))]
struct Fleet;

fn main() {}

//# not: error[E
