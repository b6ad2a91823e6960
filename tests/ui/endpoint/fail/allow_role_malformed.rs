#[canic::update(allow(role = "Hub"))]
fn work() {}

fn main() {}
