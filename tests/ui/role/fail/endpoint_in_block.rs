struct Worker;

#[canic::role("worker")]
impl Worker {
    #[canic::query]
    fn jobs_done() -> u64 {
        7
    }
}

fn main() {}

//# not: error[E
