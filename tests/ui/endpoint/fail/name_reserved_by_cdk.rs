#[canic::update(name = "<ic-cdk internal> work")]
fn work() {}

fn main() {}

//# not: error[E
