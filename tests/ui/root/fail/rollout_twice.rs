#[canic::root(
    role(name = "aa", rollout(canary = 1), rollout(bake = "10m")),
)]
struct Fleet;

fn main() {}

//# not: error[E
