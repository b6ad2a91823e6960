#[canic::root(role(name = "worker", controllers(parent)))]
struct Fleet;

fn main() {}

//# not: error[E
