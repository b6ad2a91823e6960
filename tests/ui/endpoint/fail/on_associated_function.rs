struct Jobs;

impl Jobs {
    #[canic::query]
    fn jobs_done() -> u64 {
        7
    }
}

fn main() {}

//# not: E0277
//# not: E0308
//# not: E0412
