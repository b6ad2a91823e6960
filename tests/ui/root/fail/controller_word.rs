#[canic::root(role(name = "worker", controllers(root)))]
struct Fleet;

fn main() {}

//# not: error[E
