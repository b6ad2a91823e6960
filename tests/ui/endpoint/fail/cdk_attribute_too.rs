#[canic::query]
#[ic_cdk::query]
fn jobs() -> u64 {
    7
}

fn main() {}

//# not: error[E
