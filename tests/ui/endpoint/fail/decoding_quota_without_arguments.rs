#[canic::query(decoding_quota = 1_000)]
fn jobs() -> u64 {
    7
}

fn main() {}

//# not: error[E
