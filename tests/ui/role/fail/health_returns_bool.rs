struct Worker;

#[canic::role("worker")]
impl Worker {
    fn health() -> bool {
        true
    }
}

fn main() {}

//# not: error[E
