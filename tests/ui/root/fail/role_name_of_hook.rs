#[canic::root(role(name = "start"))]
struct Fleet;

fn main() {}

//# not: error[E
