#[canic::root(refuel(below = "50T", upto = "100T"))]
struct Fleet;

fn main() {}

//# not: error[E
