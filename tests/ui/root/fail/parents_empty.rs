#[canic::root(role(name = "worker", parents()))]
struct Fleet;

fn main() {}

//# not: error[E
