#[canic::root(
    role(name = "aa", rollout(manual = "yes")),
)]
struct Fleet;

fn main() {}

//# not: error[E
