#[canic::root(role(name = "worker", watches("worker", "worker")))]
struct Fleet;

fn main() {}

//# not: error[E
