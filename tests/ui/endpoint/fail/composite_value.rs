#[canic::query(composite = "yes")]
fn jobs() {}

fn main() {}

//# not: error[E
