#[canic::root(refuel(below = "50T", to = "100T", from("cycle")))]
struct Fleet;

fn main() {}

//# not: error[E
