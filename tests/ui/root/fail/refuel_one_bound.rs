#[canic::root(refuel(below = "50T"))]
struct Fleet;

fn main() {}

//# not: error[E
