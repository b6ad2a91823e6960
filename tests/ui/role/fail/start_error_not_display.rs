struct Worker;

struct Failure;

#[canic::role("worker")]
impl Worker {
    async fn start() -> Result<(), Failure> {
        Err(Failure)
    }
}

canic::export_candid!();

fn main() {}

//# not: E0308
//# not: E0412
//# not: E0425
