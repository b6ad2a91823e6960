//! Queries, plain and composite.

#[canic::query]
fn jobs_done() -> u64 {
    7
}

#[canic::query(name = "jobs-of")]
fn jobs_of(_: String) -> Vec<u64> {
    Vec::new()
}

#[canic::query(composite)]
async fn jobs_everywhere() -> Result<u64, String> {
    std::future::ready(Ok(7)).await
}

#[canic::query(composite = true, hidden)]
fn composite_but_sync() -> u64 {
    7
}

canic::export_candid!();

fn main() {}
