struct Worker;

#[canic::role("worker")]
impl Worker {
    fn init(_name: &str) {}
}

fn main() {}

//# not: error[E
