struct Worker;

struct WorkerArgs;

#[canic::role("worker")]
impl Worker {
    fn init(_: WorkerArgs) {}
}

canic::export_candid!();

fn main() {}

//# not: E0308
//# not: E0412
//# not: E0425
