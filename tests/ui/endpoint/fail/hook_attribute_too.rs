#[canic::update]
#[ic_cdk::post_upgrade]
fn work() {}

fn main() {}

//# not: error[E
