#[canic::update(allow(controler))]
fn work() {}

fn main() {}
