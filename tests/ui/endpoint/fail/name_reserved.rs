#[canic::update]
fn canic_work() {}

fn main() {}
