struct Worker;

struct Failure;

#[canic::role("worker")]
impl Worker {
    fn init() -> Result<(), Failure> {
        Err(Failure)
    }
}

fn main() {}
