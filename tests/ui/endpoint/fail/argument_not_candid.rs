#[canic::update]
fn work(_job: Job) {}

struct Job;

fn main() {}

//# not: E0308
//# not: E0412
//# not: E0425
