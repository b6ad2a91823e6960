#[canic::update]
async fn work() -> Result<u64, Failure> {
    Err(Failure)
}

struct Failure;

fn main() {}

//# not: E0308
//# not: E0412
//# not: E0425
