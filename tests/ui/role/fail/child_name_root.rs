#[canic::role("hub", child(name = "root"))]
struct Hub;

fn main() {}

//# not: error[E
