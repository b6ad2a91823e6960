#[canic::root(role(name = ""))]
struct Fleet;

fn main() {}

//# not: error[E
