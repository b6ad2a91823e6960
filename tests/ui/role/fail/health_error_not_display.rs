struct Unfit;

struct Worker;

#[canic::role("worker")]
impl Worker {
    fn health() -> Result<(), Unfit> {
        Err(Unfit)
    }
}

canic::export_candid!();

fn main() {}

//# not: __canic
