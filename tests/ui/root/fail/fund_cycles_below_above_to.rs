#[canic::root(role(name = "worker", fund(below = "2T", to = "0.5T")))]
struct Fleet;

fn main() {}

//# not: error[E
