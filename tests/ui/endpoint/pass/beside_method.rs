//! An endpoint in a module that is written in place, and a method of its name.

struct Jobs;

impl Jobs {
    fn jobs_done(&self) -> u64 {
        7
    }
}

mod inner {
    #[canic::query]
    fn jobs_done() -> u64 {
        super::Jobs.jobs_done()
    }
}

canic::export_candid!();

fn main() {}
