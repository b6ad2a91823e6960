#[canic::root(
    role(name = "aa", rollout),
    role(name = "bb", rollout = "10m"),
    role(name = "cc", rollout("10m")),
)]
struct Fleet;

fn main() {}

//# not: error[E
