struct Worker;

#[canic::role("worker")]
impl Worker {
    fn health() {}
}

fn main() {}

//# not: error[E
