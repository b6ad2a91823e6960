struct Worker;

#[canic::role("worker")]
impl Worker {
    fn start() {}
}

fn main() {}

//# not: error[E
