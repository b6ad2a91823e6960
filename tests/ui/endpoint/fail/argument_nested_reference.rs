#[canic::update]
fn work(jobs: Vec<&str>) -> usize {
    jobs.len()
}

fn main() {}

//# not: error[E
