struct Worker;

#[canic::role("worker")]
impl Worker {
    fn helper() {}
}

fn main() {}

//# not: error[E
