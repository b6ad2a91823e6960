struct Worker;

impl Worker {
    #[canic::query]
    fn jobs(&self) -> u64 {
        7
    }
}

fn main() {}

//# not: error[E
