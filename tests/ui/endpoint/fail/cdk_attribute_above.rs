#[ic_cdk::query]
#[canic::update]
fn work() {}

fn main() {}

//# not: error[E
