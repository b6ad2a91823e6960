#[canic::query]
fn jobs() -> impl Iterator<Item = u64> {
    std::iter::empty()
}

fn main() {}

//# not: error[E
