#[canic::role("worker")]
fn worker() {}

fn main() {}
