#[canic::root(role(name = "hub", max = 5, max_per_parent = 6))]
struct Fleet;

fn main() {}

//# not: error[E
