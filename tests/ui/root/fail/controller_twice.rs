#[canic::root(
    role(name = "hub"),
    role(name = "worker", parents("hub"), controllers(parent, parent)),
)]
struct Fleet;

fn main() {}

//# not: error[E
