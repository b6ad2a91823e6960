#[canic::root(pool(max = 1, cycles = 0), role(name = "worker", cycles = "499B"))]
struct Fleet;

fn main() {}

//# not: error[E
