#[canic::root(
    role(name = "aa", rollout(health_timeout = "0s")),
)]
struct Fleet;

fn main() {}

//# not: error[E
