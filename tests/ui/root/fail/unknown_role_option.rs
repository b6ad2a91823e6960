#[canic::root(role(name = "worker", maximum = 3))]
struct Fleet;

fn main() {}

//# not: error[E
