#[canic::root(refuel = "50T")]
struct Fleet;

fn main() {}

//# not: error[E
