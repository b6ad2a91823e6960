#[canic::update]
async fn work() -> Result<u64, Failure> {
    Err(Failure)
}

struct Failure;

fn main() {}
