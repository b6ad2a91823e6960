struct Worker;

#[canic::role("worker")]
impl Worker {
    fn health() -> Result<(), String> {
        Ok(())
    }

    async fn health() -> Result<(), String> {
        Ok(())
    }
}

fn main() {}

//# not: error[E
