#[canic::root(role = "worker")]
struct Fleet;

fn main() {}

//# not: error[E
