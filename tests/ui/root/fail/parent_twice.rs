#[canic::root(role(name = "worker", parents("root", "root")))]
struct Fleet;

fn main() {}

//# not: error[E
