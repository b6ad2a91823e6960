#[canic::update(gaurd = check)]
fn work() {}

fn main() {}
