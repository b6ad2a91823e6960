#[canic::root(role(name = "worker"), rollout(canary = 1))]
struct Fleet;

fn main() {}

//# not: error[E
