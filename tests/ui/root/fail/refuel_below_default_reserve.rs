#[canic::root(refuel(below = "1T", to = "100T"))]
struct Fleet;

fn main() {}

//# not: error[E
