#[canic::root(
    role(name = "aa", rollout(canary = 0)),
    role(name = "bb", rollout(canary = "0%")),
)]
struct Fleet;

fn main() {}

//# not: error[E
