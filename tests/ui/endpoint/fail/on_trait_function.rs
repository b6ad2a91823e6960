trait Jobs {
    #[canic::query]
    fn jobs_done() -> u64 {
        7
    }
}

struct Worker;

impl Jobs for Worker {
    #[canic::query]
    fn jobs_done() -> u64 {
        8
    }
}

fn main() {}

//# not: error[E
