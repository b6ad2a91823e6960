#[canic::query(manual_reply)]
fn jobs() {}

fn main() {}

//# not: error[E
