struct Worker;

#[canic::role("worker")]
impl Worker {
    fn pre_upgarde() {}
}

fn main() {}

//# not: error[E
