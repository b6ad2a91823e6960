#[canic::root(role(
    name = "worker",
    rollout(
        canary = 0,
        bake = "10",
        concurrent = 0,
        on_failure = "stop",
        snapshot = "none",
        keep = "1h",
    ),
))]
struct Fleet;

fn main() {}

//# not: error[E
