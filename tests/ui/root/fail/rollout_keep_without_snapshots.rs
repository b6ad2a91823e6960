#[canic::root(
    role(name = "aa", rollout(snapshot = "none", keep = "1d")),
)]
struct Fleet;

fn main() {}

//# not: error[E
