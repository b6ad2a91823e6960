struct Worker;

#[canic::role("worker")]
impl Worker {
    fn health(&self) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}

//# not: error[E
