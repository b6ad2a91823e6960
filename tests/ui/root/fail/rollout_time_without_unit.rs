#[canic::root(
    role(name = "aa", rollout(bake = 600)),
    role(name = "bb", rollout(health_timeout = "60")),
    role(name = "cc", rollout(keep = 10m)),
    role(name = "dd", rollout(bake = 1.5h)),
)]
struct Fleet;

fn main() {}

//# not: error[E
