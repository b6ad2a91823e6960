#[canic::root(
    role(name = "aa", rollout(bake = "10min")),
    role(name = "bb", rollout(bake = "1.5h")),
    role(name = "cc", rollout(keep = "a week")),
    role(name = "dd", rollout(keep = forever)),
    role(name = "ee", rollout(bake = "-10m")),
)]
struct Fleet;

fn main() {}

//# not: error[E
