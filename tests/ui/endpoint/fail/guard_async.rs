#[canic::update(guard = check)]
fn work() {}

async fn check() -> Result<(), String> {
    Ok(())
}

fn main() {}

//# not: E0277
//# not: E0412
//# not: E0425
