#[canic::update(guard = check)]
fn work() {}

fn check() -> bool {
    true
}

fn main() {}

//# not: E0277
//# not: E0412
//# not: E0425
