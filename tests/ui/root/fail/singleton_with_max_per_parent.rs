#[canic::root(role(name = "hub", singleton, max_per_parent = 2))]
struct Fleet;

fn main() {}

//# not: error[E
