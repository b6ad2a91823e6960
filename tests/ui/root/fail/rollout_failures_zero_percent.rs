#[canic::root(
    role(name = "aa", rollout(max_failures = "0%")),
)]
struct Fleet;

fn main() {}

//# not: error[E
