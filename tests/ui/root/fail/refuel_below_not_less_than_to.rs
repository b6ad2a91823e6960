#[canic::root(refuel(below = "50T", to = "50T"))]
struct Fleet;

fn main() {}

//# not: error[E
