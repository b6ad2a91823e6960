#[canic::update(allow(controller, guard = check))]
fn work() {}

fn check(caller: u64) -> Result<(), String> {
    drop(caller);
    Ok(())
}

fn main() {}

//# not: E0277
//# not: E0412
//# not: E0425
