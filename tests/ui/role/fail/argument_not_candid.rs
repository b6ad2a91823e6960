struct Worker;

struct WorkerArgs;

#[canic::role("worker")]
impl Worker {
    fn init(_: WorkerArgs) {}
}

fn main() {}
