#[canic::update("work")]
fn work() {}

fn main() {}
