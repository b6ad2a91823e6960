#[canic::root(
    role(name = "aa", rollout()),
)]
struct Fleet;

fn main() {}

//# not: error[E
