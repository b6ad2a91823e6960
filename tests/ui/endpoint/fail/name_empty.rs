#[canic::update(name = "")]
fn work() {}

fn main() {}
