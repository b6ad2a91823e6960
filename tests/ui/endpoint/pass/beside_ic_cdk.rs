//! Endpoints of ic-cdk beside those of canic.

#[canic::query]
fn ours() -> u64 {
    7
}

#[ic_cdk::query]
fn theirs() -> u64 {
    7
}

#[ic_cdk::update]
async fn theirs_too(job: u64) -> u64 {
    std::future::ready(job).await
}

canic::export_candid!();

fn main() {}
