#[canic::update(guard = "check")]
fn work() {}

#[allow(dead_code)]
fn check() -> Result<(), String> {
    Ok(())
}

fn main() {}

//# not: error[E
