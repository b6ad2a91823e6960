#[canic::update]
fn work(_job: Job) {}

struct Job;

fn main() {}
