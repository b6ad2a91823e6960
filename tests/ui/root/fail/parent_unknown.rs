#[canic::root(role(name = "hub"), role(name = "worker", parents("hob")))]
struct Fleet;

fn main() {}

//# not: error[E
