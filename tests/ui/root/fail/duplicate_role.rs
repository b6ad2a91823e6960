//# not: duplicate definitions

#[canic::root(
    role(name = "worker", max = 1),
    role(name = "hub"),
    role(name = "worker", max = 2)
)]
struct Fleet;

fn main() {}
