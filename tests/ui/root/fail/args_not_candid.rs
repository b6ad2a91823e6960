struct WorkerArgs;

#[canic::root(role(name = "worker", args = WorkerArgs))]
struct Fleet;

fn main() {}
