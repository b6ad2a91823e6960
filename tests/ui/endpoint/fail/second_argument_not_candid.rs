#[canic::update]
fn work(_urgent: bool, _job: Job) {}

struct Job;

fn main() {}
