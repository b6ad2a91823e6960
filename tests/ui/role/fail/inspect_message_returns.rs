struct Worker;

#[canic::role("worker")]
impl Worker {
    fn inspect_message() -> Result<(), String> {
        Ok(())
    }
}

fn main() {}

//# not: error[E
