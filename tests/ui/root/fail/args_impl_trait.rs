#[canic::root(role(name = "worker", args = impl Clone))]
struct Fleet;

fn main() {}

//# not: error[E
