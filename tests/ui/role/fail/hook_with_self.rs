struct Worker;

#[canic::role("worker")]
impl Worker {
    fn init(&self) {}
}

fn main() {}

//# not: error[E
