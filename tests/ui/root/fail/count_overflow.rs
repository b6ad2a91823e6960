#[canic::root(role(name = "worker", max = 5_000_000_000))]
struct Fleet;

fn main() {}

//# not: error[E
