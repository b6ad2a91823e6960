struct Worker;

#[canic::role("worker")]
impl Worker {
    fn inspect_message() {}
}

fn main() {}

//# not: error[E
