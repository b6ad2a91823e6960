#[canic::root(refuel(below = "50T", to = "50.05T"))]
struct Fleet;

fn main() {}

//# not: error[E
