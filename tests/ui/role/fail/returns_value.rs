struct Worker;

#[canic::role("worker")]
impl Worker {
    fn init() -> u64 {
        7
    }
    async fn start() -> Result<u64, String> {
        Ok(7)
    }
}

fn main() {}

//# not: error[E
