#[canic::root(role(name = "worker", rollback = "recicle"))]
struct Fleet;

fn main() {}

//# not: error[E
