#[canic::root(
    role(name = "worker"),
    role(name = "directory", watches(releases, "worker", releases)),
)]
struct Fleet;

fn main() {}

//# not: error[E
