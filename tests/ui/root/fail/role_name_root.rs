#[canic::root(role(name = "root"))]
struct Fleet;

fn main() {}

//# not: error[E
