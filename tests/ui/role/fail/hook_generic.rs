struct Worker;

#[canic::role("worker")]
impl Worker {
    fn init<T>(_value: T) {}
}

fn main() {}

//# not: error[E
