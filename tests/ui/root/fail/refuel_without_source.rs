#[canic::root(refuel(below = "50T", to = "100T", from()))]
struct Fleet;

fn main() {}

//# not: error[E
