#[canic::root(refuel(below = "50T", to = "100T", from("icp", "icp")))]
struct Fleet;

fn main() {}

//# not: error[E
