struct Worker;

#[canic::role("worker")]
impl Worker {
    fn health(limit: u64) -> Result<(), String> {
        Err(limit.to_string())
    }
}

fn main() {}

//# not: error[E
