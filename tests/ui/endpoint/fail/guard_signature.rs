#[canic::update(guard = check)]
fn work() {}

fn check() -> bool {
    true
}

fn main() {}
