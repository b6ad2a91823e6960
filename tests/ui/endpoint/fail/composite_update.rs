#[canic::update(composite)]
fn work() {}

fn main() {}
