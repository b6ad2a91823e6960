#[canic::root(
    role(name = "aa", rollout(bake = "31d")),
    role(name = "bb", rollout(keep = "31d")),
    role(name = "cc", rollout(health_timeout = "25h")),
    role(name = "dd", rollout(bake = "99999999999999999999s")),
)]
struct Fleet;

fn main() {}

//# not: error[E
