#[canic::root(reserve = "60T", refuel(below = "50T", to = "100T"))]
struct Fleet;

fn main() {}

//# not: error[E
