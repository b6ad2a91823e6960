#[canic::root(
    role(name = "aa", rollout(cannary = 1)),
    role(name = "bb", rollout(snapshots = "all")),
    role(name = "cc", rollout(speed = 7)),
)]
struct Fleet;

fn main() {}

//# not: error[E
