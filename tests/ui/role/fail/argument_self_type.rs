struct Worker;

#[canic::role("worker")]
impl Worker {
    fn init(_twin: Option<Self>) {}
}

fn main() {}

//# not: error[E
