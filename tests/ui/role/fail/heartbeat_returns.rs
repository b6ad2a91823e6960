struct Worker;

#[canic::role("worker")]
impl Worker {
    fn heartbeat() -> Result<(), String> {
        Ok(())
    }
}

fn main() {}

//# not: error[E
