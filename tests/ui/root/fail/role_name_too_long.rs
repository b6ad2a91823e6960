#[canic::root(role(name = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"))]
struct Fleet;

fn main() {}

//# not: error[E
