#[canic::root(role(name = "worker", fund(below = "7d", to = "30d", daily = "1T")))]
struct Fleet;

fn main() {}

//# not: error[E
