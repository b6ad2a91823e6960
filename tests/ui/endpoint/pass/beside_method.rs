//! An endpoint in a module that is written in place, and a method of its name.

struct Jobs(u64);

impl Jobs {
    fn jobs_done(&self) -> u64 {
        self.0
    }
}

mod inner {
    #[canic::query]
    fn jobs_done() -> u64 {
        super::Jobs(7).jobs_done()
    }
}

canic::export_candid!();

fn main() {}
