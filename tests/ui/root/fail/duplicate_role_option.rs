#[canic::root(role(name = "worker", max = 1, max = 2))]
struct Fleet;

fn main() {}

//# not: error[E
