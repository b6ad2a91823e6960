//! An author's own `Result` with one parameter, which is a value like any other.

type Result<T> = core::result::Result<T, String>;

#[canic::update]
fn work(job: u64) -> Result<u64> {
    job.checked_add(1).ok_or_else(|| "too many".to_owned())
}

canic::export_candid!();

fn main() {}
