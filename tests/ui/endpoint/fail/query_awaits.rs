#[canic::query]
async fn hire() -> u64 {
    1
}

#[canic::query(composite = false)]
async fn fire() {}

fn main() {}

//# not: E0
