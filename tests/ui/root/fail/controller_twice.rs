#[canic::root(role(name = "worker", controllers(parent, parent)))]
struct Fleet;

fn main() {}

//# not: error[E
