#[canic::query]
fn job() -> Job {
    Job
}

struct Job;

fn main() {}
