#[canic::root(
    role(name = "hub", parents("worker")),
    role(name = "worker", parents("hub")),
    role(name = "free")
)]
struct Fleet;

fn main() {}

//# not: error[E
