#[canic::root(
    role(name = "aa", rollout(canary = 1, bake = "10m", canary = 2)),
)]
struct Fleet;

fn main() {}

//# not: error[E
