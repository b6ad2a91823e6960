#[canic::root(role(name = "hub", max_per_parent = 0))]
struct Fleet;

fn main() {}

//# not: error[E
