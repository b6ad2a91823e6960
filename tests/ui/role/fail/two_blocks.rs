struct Worker;

#[canic::role("worker")]
impl Worker {
    fn init() {}
}

#[canic::role("worker")]
impl Worker {
    async fn start() {}
}

canic::export_candid!();

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
