#[canic::root(role(name = "self"))]
struct Fleet;

fn main() {}

//# not: error[E
