#[canic::root(
    role(name = "aa", rollout(on_failure = "pauze")),
    role(name = "bb", rollout(snapshot = "canaries")),
    role(name = "cc", rollout(snapshot = "yes")),
    role(name = "dd", rollout(on_failure = undo)),
)]
struct Fleet;

fn main() {}

//# not: error[E
