struct Worker;

#[canic::role("worker")]
impl Worker {
    const LIMIT: u64 = 7;
}

fn main() {}

//# not: error[E
