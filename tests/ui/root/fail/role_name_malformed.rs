#[canic::root(role(name = "Worker"), role(name = "7up"), role(name = "a b"))]
struct Fleet;

fn main() {}

//# not: error[E
