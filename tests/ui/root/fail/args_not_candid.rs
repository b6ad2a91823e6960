struct WorkerArgs;

#[canic::root(role(name = "worker", args = WorkerArgs))]
struct Fleet;

canic::export_candid!();

fn main() {}

//# not: E0308
//# not: E0412
//# not: E0425
