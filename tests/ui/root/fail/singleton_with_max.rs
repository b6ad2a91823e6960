#[canic::root(role(name = "hub", singleton, max = 2))]
struct Fleet;

fn main() {}

//# not: error[E
