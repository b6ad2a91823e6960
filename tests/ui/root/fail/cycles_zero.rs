#[canic::root(pool(max = 1, cycles = 0), role(name = "worker", cycles = "0T"))]
struct Fleet;

fn main() {}
