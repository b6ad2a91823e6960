struct Worker;

#[canic::role("worker")]
impl Worker {
    async fn health() -> Result<u64, String> {
        Ok(7)
    }
}

fn main() {}

//# not: error[E
