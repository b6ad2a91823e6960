#[canic::root(
    role(name = "aa", rollout(concurrent = 0)),
    role(name = "bb", rollout(concurrent = 51)),
    role(name = "cc", rollout(concurrent = "10%")),
)]
struct Fleet;

fn main() {}

//# not: error[E
