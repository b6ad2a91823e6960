//! Updates with any number of arguments and values.

use candid::CandidType;
use serde::Deserialize;

#[derive(CandidType, Deserialize)]
struct Job {
    name: String,
}

#[canic::update]
fn nothing() {}

#[canic::update]
#[allow(clippy::unused_unit)]
fn unit() -> () {}

#[canic::update]
fn one(job: Job) -> String {
    job.name
}

#[canic::update]
fn several(_: u64, (a, b): (u64, u64), mut list: Vec<u8>) -> (u64, Vec<u8>) {
    list.clear();
    (a + b, list)
}

#[canic::update]
fn fails(job: Job) -> Result<Job, String> {
    Err(job.name)
}

#[canic::update]
async fn waits(job: Job) -> Result<u64, std::string::String> {
    std::future::ready(Ok(job.name.len() as u64)).await
}

#[canic::update]
fn r#type() -> u64 {
    7
}

#[canic::update]
fn arg0(arg0: u64) -> u64 {
    arg0
}

canic::export_candid!();

fn main() {}
