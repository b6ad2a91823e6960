#[canic::root(role(name = "worker", args = 7))]
struct Fleet;

fn main() {}

//# not: error[E
