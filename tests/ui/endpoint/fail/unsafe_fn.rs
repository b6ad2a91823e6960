#[canic::update]
unsafe fn work() {}

fn main() {}
