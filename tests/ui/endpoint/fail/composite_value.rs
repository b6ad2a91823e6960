#[canic::query(composite = "yes")]
fn jobs() {}

fn main() {}
