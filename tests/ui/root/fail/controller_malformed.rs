#[canic::root(role(name = "worker", controllers("ryjl3")))]
struct Fleet;

fn main() {}

//# not: error[E
