#[canic::root(
    role(name = "aa", rollout(canary = 5%, bake = "10m")),
    role(name = "bb", rollout(canary = "5")),
    role(name = "cc", rollout(max_failures = "2.5%")),
    role(name = "dd", rollout(max_failures = few)),
    role(name = "ee", rollout(max_failures = 0.5)),
    role(name = "ff", rollout(canary = -1)),
    role(name = "gg", rollout(canary = 5000000000)),
)]
struct Fleet;

fn main() {}

//# not: error[E
