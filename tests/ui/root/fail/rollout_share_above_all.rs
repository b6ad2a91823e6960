#[canic::root(
    role(name = "aa", rollout(canary = "101%")),
    role(name = "bb", rollout(max_failures = "1000%")),
)]
struct Fleet;

fn main() {}

//# not: error[E
