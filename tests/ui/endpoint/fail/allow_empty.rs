#[canic::update(allow())]
fn work() {}

fn main() {}
