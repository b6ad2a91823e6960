#[canic::root(role(name = "worker", rollback = delete))]
struct Fleet;

fn main() {}

//# not: error[E
