#[canic::root(role(name = "worker", fund(below = "1T", to = "1000001T")))]
struct Fleet;

fn main() {}

//# not: error[E
