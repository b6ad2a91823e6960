#[canic::root(role(name = "worker", max = 0))]
struct Fleet;

fn main() {}

//# not: error[E
