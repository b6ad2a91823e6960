struct Worker;

#[canic::role("worker")]
impl Worker {
    fn health<T>() -> Result<(), String> {
        Ok(())
    }
}

fn main() {}

//# not: error[E
